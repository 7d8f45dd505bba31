package stripesim

import (
	"bytes"
	"encoding/json"
)

// text is a string that Stripe sends as null while it has no value.
type text string

// MarshalJSON writes null for the empty string.
func (t text) MarshalJSON() ([]byte, error) { return nullOr(string(t), t == "") }

// number is an integer that Stripe sends as null while it has no value.
type number int64

// MarshalJSON writes null for zero.
func (n number) MarshalJSON() ([]byte, error) { return nullOr(int64(n), n == 0) }

// document is a part of an object that is stored but not interpreted.
type document map[string]any

func nullOr(value any, null bool) ([]byte, error) {
	if null {
		return []byte("null"), nil
	}
	return json.Marshal(value)
}

// render writes a value as Stripe does: indented by two spaces, with <, > and & as they are, and a
// newline at the end.
func render(value any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(value)
	return out.Bytes(), err
}

// plain turns an object into maps and lists, so that members can be replaced or taken out.
func plain(value any) (any, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	err = dec.Decode(&tree)
	return tree, err
}

// either returns a, or b if a is the zero value.
func either[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}
