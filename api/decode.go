package api

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// nonEmptyString is a string that must not be empty if it is present.
type nonEmptyString string

// unknown takes the members that an object may not have; every object of a body embeds one.
type unknown map[string]unknownMember

type unknownMember struct{}

// decode reads every body: it puts the JSON object that the request carries into a struct, and finds all
// that is of a wrong type, unknown or missing. null stands for absent, and an empty body for an empty object.
func decode(c echo.Context, into any, required ...string) error {
	_, err := decodeMembers(c, into, required...)
	return err
}

// decodeMembers is decode, and returns which members were present.
func decodeMembers(c echo.Context, into any, required ...string) (present map[jsontext.Pointer]bool, err error) {
	if err := checkIdempotencyKey(c.Request().Header); err != nil {
		return nil, err
	}
	text, err := readJSON(c)
	if err != nil {
		return nil, err
	}
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.present, d.fieldErrors, d.notObject = map[jsontext.Pointer]bool{}, nil, false
	if err := json.Unmarshal(text, into, d.option); err != nil {
		return nil, invalidJSON(err)
	}
	return d.present, d.verdict(required)
}

// decoders are the decoders that are not in use. For each new set of functions package json looks up the
// function of each type once, which costs more than decoding a body.
var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.option = json.WithUnmarshalers(json.UnmarshalFromFunc(d.value))
	return d
}}

// invalidJSON describes why a body is not JSON, without quoting it.
func invalidJSON(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		fieldErrors := []fieldError{{Pointer: string(syntax.JSONPointer), Detail: "is given twice"}}
		return &refusal{codeInvalidJSON, "The body contains a key twice.", fieldErrors}
	case errors.As(err, &syntax):
		return &refusal{
			code: codeInvalidJSON, detail: fmt.Sprintf("The body is not valid JSON at byte %d.", syntax.ByteOffset),
		}
	}
	return err
}

// decoder collects the mistakes of a body's values, and continues.
type decoder struct {
	option      json.Options              // calls value
	present     map[jsontext.Pointer]bool // the members that are there and not null
	fieldErrors []fieldError
	notObject   bool // the body as a whole
}

// maxFieldErrors bounds an answer.
const maxFieldErrors = 100

func (d *decoder) addError(at jsontext.Pointer, detail string) {
	if len(d.fieldErrors) < maxFieldErrors {
		d.fieldErrors = append(d.fieldErrors, fieldError{Pointer: string(at), Detail: detail})
	}
}

// verdict is the error for all that was noted.
func (d *decoder) verdict(required []string) error {
	if d.notObject {
		return &refusal{code: payment.CodeInvalidRequest, detail: "The body must be a JSON object."}
	}
	for _, name := range required {
		if pointer := jsontext.Pointer("/" + name); !d.present[pointer] {
			d.addError(pointer, "is required")
		}
	}
	if len(d.fieldErrors) == 0 {
		return nil
	}
	return &refusal{
		payment.CodeInvalidRequest, "Members of the body are missing, unknown or of a wrong type.",
		d.fieldErrors,
	}
}

// expectations are the JSON values that the kinds of Go values in a body are read from.
var expectations = map[reflect.Kind]struct {
	json   jsontext.Kind // of objects and arrays
	detail string
}{
	reflect.String: {0, "must be a string"},
	reflect.Int:    {0, "must be an integer"},
	reflect.Int64:  {0, "must be an integer"},
	reflect.Bool:   {0, "must be true or false"},
	reflect.Slice:  {jsontext.KindBeginArray, "must be an array"},
	reflect.Map:    {jsontext.KindBeginObject, "must be an object"},
	reflect.Struct: {jsontext.KindBeginObject, "must be an object"},
}

// value is called for every value of a body, with a pointer to its target. If it returns "unsupported",
// package json decodes the value itself, and calls value for the inner values.
func (d *decoder) value(in *jsontext.Decoder, into any) error {
	target, kind := reflect.TypeOf(into).Elem(), in.PeekKind()
	_, isUnknown := into.(*unknownMember)
	switch {
	case target.Kind() == reflect.Pointer || kind == jsontext.KindInvalid:
		return errors.ErrUnsupported
	case in.StackDepth() == 0:
		d.notObject = kind != jsontext.KindBeginObject
	case kind == jsontext.KindNull && !isUnknown && !inArray(in): // absent
		return errors.ErrUnsupported
	}
	d.present[in.StackPointer()] = true
	want := expectations[target.Kind()]
	if kind == want.json && !isUnknown {
		return errors.ErrUnsupported
	}
	text, err := in.ReadValue()
	if err != nil {
		return err
	}
	switch err := json.Unmarshal(text, into); {
	case isUnknown:
		d.addError(in.StackPointer(), "is unknown")
	case err != nil || kind == jsontext.KindNull:
		d.addError(in.StackPointer(), want.detail)
	case isEmptyString(into):
		d.addError(in.StackPointer(), "must not be empty")
	}
	return nil
}

func isEmptyString(value any) bool {
	w, ok := value.(*nonEmptyString)
	return ok && *w == ""
}

func inArray(in *jsontext.Decoder) bool {
	kind, _ := in.StackIndex(in.StackDepth())
	return kind == jsontext.KindBeginArray
}
