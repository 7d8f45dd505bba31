package payment

import (
	"bytes"
	"iter"
	"reflect"
)

// The structs below define which members of a rendered View a reader may see. The order of the members does
// not matter. A member that no struct names is hidden.
var (
	publicMembers = namesOf(reflect.TypeFor[PublicView]())
	tokenMembers  = namesOf(reflect.TypeFor[PublicView](), reflect.TypeFor[tokenView]())
)

// PublicPart returns the JSON of the PublicView in a rendered View, as a page may see it.
func PublicPart(view []byte) []byte { return BrowserView(publicMembers.of(view)) }

// TokenPart returns what the holder of an order token sees of the JSON of a rendered View: all but the keyView.
func TokenPart(view []byte) []byte { return BrowserView(tokenMembers.of(view)) }

// memberNames are names of members of a view.
type memberNames map[string]bool

// namesOf returns the names that the members of structs have in JSON.
func namesOf(structs ...reflect.Type) memberNames {
	names := memberNames{}
	for _, t := range structs {
		for member := range t.Fields() {
			names[member.Tag.Get("json")] = true
		}
	}
	return names
}

// of returns the JSON object with those of its members that have one of the names.
func (names memberNames) of(view []byte) []byte {
	part := append(make([]byte, 0, len(view)), '{')
	for m := range topMembers(view) {
		if !names[string(m.name)] {
			continue
		}
		if len(part) > 1 {
			part = append(part, ',')
		}
		part = append(part, view[m.at:m.end]...)
	}
	return append(part, '}')
}

// topMember is a member of a JSON object: its name, and the offsets of it, its value and what follows.
type topMember struct {
	name           []byte
	at, value, end int
}

// topMembers are the members of a JSON object that has no white space, as a View is rendered.
func topMembers(object []byte) iter.Seq[topMember] {
	return func(yield func(topMember) bool) {
		for at := 1; at+1 < len(object); { // behind a brace or a comma
			length := bytes.IndexByte(object[at+1:], '"')
			if length < 0 {
				return
			}
			m := topMember{name: object[at+1 : at+1+length], at: at, value: at + length + len(`"":`)}
			if m.end = valueEnd(object, m.value); !yield(m) {
				return
			}
			at = m.end + 1
		}
	}
}

// topMemberOf returns the member of that name; an empty one where there is none.
func topMemberOf(object []byte, name string) topMember {
	for m := range topMembers(object) {
		if string(m.name) == name {
			return m
		}
	}
	return topMember{}
}

// valueEnd returns where the JSON value that begins at a place ends.
func valueEnd(text []byte, at int) int {
	depth, quoted := 0, false
	for ; at < len(text); at++ {
		switch c := text[at]; {
		case quoted && c == '\\':
			at++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}'):
			return at
		case c == '}', c == ']':
			depth--
		}
	}
	return len(text)
}
