package stripe

import (
	"net/url"
	"slices"
	"strings"
)

// form is what a call sends: parameters with a name and a value, each once. It is the same as url.Values, in one
// allocation instead of one for each parameter.
type form []parameter

type parameter struct{ name, value string }

func (f *form) add(name, value string) { *f = append(*f, parameter{name, value}) }

func (f *form) addUnlessEmpty(name, value string) {
	if value != "" {
		f.add(name, value)
	}
}

// encode renders the parameters in the order of their names, so that the same parameters give the same bytes.
// url.ParseQuery reads the result.
func (f form) encode() string { return f.render(false) }

// wire renders the parameters as stripe-go sends them: the brackets of names are not escaped.
func (f form) wire() string { return f.render(true) }

func (f form) render(brackets bool) string {
	slices.SortFunc(f, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	size := 0
	for _, p := range f {
		size += len(p.name) + len(p.value) + 16 // some bytes take three
	}
	text := make([]byte, 0, size)
	for i, p := range f {
		if i > 0 {
			text = append(text, '&')
		}
		text = appendEscaped(text, p.name, brackets)
		text = append(text, '=')
		text = appendEscaped(text, p.value, false)
	}
	return string(text)
}

// appendEscaped escapes as url.QueryEscape does.
func appendEscaped(to []byte, text string, brackets bool) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~',
			brackets && (c == '[' || c == ']'):
			to = append(to, c)
		case c == ' ':
			to = append(to, '+')
		default:
			to = append(to, '%', digits[c>>4], digits[c&15])
		}
	}
	return to
}

// wireForm turns a form as encode renders it into what wire gives for the same parameters.
func wireForm(encoded string) string {
	if !strings.Contains(encoded, "%5") {
		return encoded
	}
	text := make([]byte, 0, len(encoded))
	for parameter := range strings.SplitAfterSeq(encoded, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		for i := 0; i < len(name); i++ {
			switch {
			case strings.HasPrefix(name[i:], "%5B"):
				text, i = append(text, '['), i+2
			case strings.HasPrefix(name[i:], "%5D"):
				text, i = append(text, ']'), i+2
			default:
				text = append(text, name[i])
			}
		}
		text = append(text, parameter[len(name):]...)
	}
	return string(text)
}

// wireOf renders values of a call that is made rarely.
func wireOf(values url.Values) string { return wireForm(values.Encode()) }
