package stripe

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"kasse/service/payment"
)

// member is a member of a JSON object: its name and the text of its value. Both are slices of the scanned
// text.
type member struct{ name, value []byte }

// members are the members of one JSON object, in order. A body is scanned once, only along the path to the
// used members. Reflection is avoided, since it would take most of a webhook's processor time.
type members []member

// Decoding errors. A decoder's own would quote the text.
var (
	errNoObject = errors.New("it is not a JSON object")
	errMistyped = errors.New("a member is of another type than Stripe documents")
)

// scanner scans one JSON text.
type scanner struct {
	text   []byte
	source bytes.Buffer
	in     jsontext.Decoder
}

// Stripe's JSON has no duplicate member. The last one would count, as in most languages.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// scanners keeps unused scanners, to reuse the decoder's memory.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// scan returns a scanner of the text. release returns it to the pool.
func scan(text []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.text, s.source = text, *bytes.NewBuffer(text)
	s.in.Reset(&s.source, lenient...)
	return s
}

func (s *scanner) release() {
	s.text, s.source = nil, bytes.Buffer{}
	scanners.Put(s)
}

// value returns the next value or name as it stands in the text.
func (s *scanner) value() ([]byte, error) {
	v, err := s.in.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(s.in.InputOffset())
	return s.text[end-len(v) : end], nil // the decoder's slice is valid only until the next read
}

// object reads the members of the next object. If inside returns a list for a member whose value is an
// object, that object's members are read into the list, and the member has no value.
func (s *scanner) object(m *members, inside func(name []byte) *members) error {
	if s.in.PeekKind() != jsontext.KindBeginObject {
		return errNoObject
	}
	if _, err := s.in.ReadToken(); err != nil {
		return err
	}
	for s.in.PeekKind() != jsontext.KindEndObject {
		name, err := s.value()
		if err != nil {
			return err
		}
		name = name[1 : len(name)-1] // Stripe's names have no escapes
		if list := inside(name); list != nil && s.in.PeekKind() == jsontext.KindBeginObject {
			err = s.object(list, inside)
			*m = append(*m, member{name: name})
		} else {
			var value []byte
			value, err = s.value()
			*m = append(*m, member{name, value})
		}
		if err != nil {
			return err
		}
	}
	_, err := s.in.ReadToken()
	return err
}

// end returns an error unless the text ends here.
func (s *scanner) end() error {
	if s.in.PeekKind() != jsontext.KindInvalid || len(bytes.TrimSpace(s.text[s.in.InputOffset():])) > 0 {
		return errNoObject
	}
	return nil
}

func nothingInside([]byte) *members { return nil }

// readMembers returns the members of a JSON object.
func readMembers(text []byte) (members, error) {
	if len(text) == 0 || bytes.Equal(text, null) {
		return nil, errNoObject
	}
	m := make(members, 0, 8)
	s := scan(text)
	defer s.release()
	if err := s.object(&m, nothingInside); err != nil {
		return nil, errNoObject
	}
	return m, s.end()
}

// membersOf returns the members of a JSON object; none for other values.
func membersOf(text []byte) members {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	m, err := readMembers(text)
	if err != nil {
		return nil
	}
	return m
}

// get returns the text of a member's value; empty if it is absent.
func (m members) get(name string) []byte {
	for _, one := range slices.Backward(m) {
		if string(one.name) == name {
			return one.value
		}
	}
	return nil
}

var null = []byte("null")

// isNull reports whether a value is null or absent. The target of a read then stays unchanged.
func isNull(value []byte) bool { return len(value) == 0 || bytes.Equal(value, null) }

// text reads a JSON string.
func (m member) text(into *string) error {
	switch {
	case isNull(m.value):
		return nil
	case m.value[0] != '"':
		return errMistyped
	}
	*into = unquoted(m.value[1 : len(m.value)-1])
	return nil
}

// unquoted returns the content of a JSON string. Invalid UTF-8 is replaced.
func unquoted(inner []byte) string {
	switch word, known := knownText(inner); {
	case known:
		return word
	case bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner):
		return string(inner)
	}
	quoted := append(append([]byte{'"'}, inner...), '"')
	text, _ := jsontext.AppendUnquote(nil, quoted) // it was scanned, so an error only means that bytes were replaced
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// objectNames are the values of "object". The dictionary of service/payment does not have them.
var objectNames = map[string]string{
	"event": "event", "payment_intent": "payment_intent", "charge": "charge", "refund": "refund", "dispute": "dispute",
	"review": "review",
}

// knownText returns the shared copy of a frequent string, so that it is not allocated again.
func knownText(inner []byte) (text string, known bool) {
	if text, known = payment.DictionaryWord(inner); !known {
		text, known = objectNames[string(inner)]
	}
	return text, known
}

// number reads a JSON integer.
func (m member) number(into *int64) error {
	if isNull(m.value) {
		return nil
	}
	n, err := strconv.ParseInt(string(m.value), 10, 64)
	if err != nil {
		return errMistyped
	}
	*into = n
	return nil
}

// yes reads a JSON boolean.
func (m member) yes(into *bool) error {
	switch string(m.value) {
	case "true":
		*into = true
	case "false":
		*into = false
	default:
		if !isNull(m.value) {
			return errMistyped
		}
	}
	return nil
}

// texts reads an object of texts.
func (m member) texts(into *map[string]string) error {
	if isNull(m.value) {
		return nil
	}
	of, err := readMembers(m.value)
	if err != nil {
		return errMistyped
	}
	*into = make(map[string]string, len(of))
	for _, each := range of {
		var text string
		if err := each.text(&text); err != nil {
			return err
		}
		(*into)[unquoted(each.name)] = text
	}
	return nil
}

// readable is decoded from the members of a JSON object. It returns an error if a member has the wrong type.
type readable interface{ read(m members) error }

// object reads an object; null means none.
func (m member) object(into readable) error {
	if isNull(m.value) {
		return nil
	}
	of, err := readMembers(m.value)
	if err != nil {
		return errMistyped
	}
	return into.read(of)
}

// each reads the items of an array one by one; null means none.
func (m member) each(read func(item member) error) error {
	if isNull(m.value) {
		return nil
	}
	s := scan(m.value)
	defer s.release()
	if s.in.PeekKind() != jsontext.KindBeginArray {
		return errMistyped
	}
	if _, err := s.in.ReadToken(); err != nil {
		return err
	}
	for s.in.PeekKind() != jsontext.KindEndArray {
		value, err := s.value()
		if err != nil {
			return err
		}
		if err := read(member{value: value}); err != nil {
			return err
		}
	}
	return nil
}

// unmarshal decodes an object of a response, for encoding/json.
func unmarshal(text []byte, into readable) error { return member{value: text}.object(into) }

// textOf returns a JSON string; empty for other values.
func textOf(value []byte) (text string) {
	_ = member{value: value}.text(&text) // empty after an error
	return text
}

// numberOf returns a JSON integer; zero for other values.
func numberOf(value []byte) (number int64) {
	_ = member{value: value}.number(&number) // zero after an error
	return number
}
