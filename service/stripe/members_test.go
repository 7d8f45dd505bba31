package stripe

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestMembers: names and texts are decoded as by encoding/json. Of duplicate members the last one counts.
func TestMembers(t *testing.T) {
	for _, text := range []string{
		`{}`, ` { "a" : "b" , "c" : null } `, `{"a\u0062":"\ud83d\ude00 \"\\/","":""}`, `{"a":"1","a":"2"}`,
		"{\"a\":\"\xff\"}", `{"kasse_order_id":"o-1"}`,
	} {
		var want map[string]string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := (member{value: []byte(text)}).texts(&got); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		``, `[]`, `"x"`, `{`, `{"a":1}x`, `{"a":}`, `{'a':1}`, `{"a":1}{}`, `{"a" 1}`,
	} {
		if m, err := readMembers([]byte(text)); err == nil {
			t.Errorf("%s: got %q, want an error", text, m)
		}
	}
}

// FuzzMembers: readMembers accepts the same objects as encoding/json, with the same texts and numbers.
func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":"b","n":1,"o":{"x":[1,"2",null]},"t":true}`))
	f.Add([]byte(`{"a\u0062":"\n","n":-9223372036854775808,"e":1e3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var want map[string]json.RawMessage
		err := json.Unmarshal(text, &want)
		got, readErr := readMembers(text)
		if !utf8.Valid(text) || string(text) == "null" {
			return
		}
		if (err == nil && want != nil) != (readErr == nil) {
			t.Fatalf("encoding/json returned %v, readMembers %v", err, readErr)
		}
		seen := map[string]member{}
		for _, m := range got {
			seen[unquoted(m.name)] = m
		}
		for name, value := range want {
			var text, gotText string
			var number, gotNumber int64
			textErr, numberErr := json.Unmarshal(value, &text), json.Unmarshal(value, &number)
			m := seen[name]
			if err := m.text(&gotText); (err == nil) != (textErr == nil) || gotText != text {
				t.Errorf("%q: text %q, %v; want %q, %v", name, gotText, err, text, textErr)
			}
			if err := m.number(&gotNumber); (err == nil) != (numberErr == nil) || err == nil && gotNumber != number {
				t.Errorf("%q: number %d, %v; want %d, %v", name, gotNumber, err, number, numberErr)
			}
		}
	})
}
