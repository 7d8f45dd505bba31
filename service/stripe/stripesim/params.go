package stripesim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params is a form as a tree: metadata[k]=v, expand[]=x and
// components[payment_element][enabled]=true become maps and lists. Leaves are strings.
type params map[string]any

// parseParams reads Stripe's bracket syntax. A form that is no tree, such as a=1&a[b]=2, is
// refused.
func parseParams(form url.Values) (params, *failure) {
	tree := params{}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			if !tree.put(split(name), value) {
				return nil, invalid("parameter_unknown", name, "Received unknown parameter: %s", name)
			}
		}
	}
	return tree, nil
}

// split cuts a[b][] into a, b and the empty string.
func split(name string) []string {
	head, rest, _ := strings.Cut(name, "[")
	path := []string{head}
	if rest == "" {
		return path
	}
	return append(path, strings.Split(strings.TrimSuffix(rest, "]"), "][")...)
}

func (p params) put(path []string, value string) bool {
	name, rest := path[0], path[1:]
	switch {
	case len(rest) == 0:
		_, twice := p[name]
		p[name] = value
		return !twice
	case len(rest) == 1 && isIndex(rest[0]):
		list, _ := p[name].([]string)
		_, other := p[name].(params)
		p[name] = append(list, value)
		return !other
	}
	child, ok := p[name].(params)
	if !ok {
		if _, taken := p[name]; taken {
			return false
		}
		child = params{}
		p[name] = child
	}
	return child.put(rest, value)
}

func isIndex(s string) bool {
	_, err := strconv.Atoi(s)
	return s == "" || err == nil
}

func (p params) has(name string) bool { _, ok := p[name]; return ok }

func (p params) text(name string) string { s, _ := p[name].(string); return s }

func (p params) list(name string) []string { l, _ := p[name].([]string); return l }

func (p params) child(name string) params { c, _ := p[name].(params); return c }

// integer returns zero if the parameter is absent. Its shape has already refused anything but digits.
func (p params) integer(name string) int64 {
	n, _ := strconv.ParseInt(p.text(name), 10, 64)
	return n
}

func (p params) boolean(name string) bool { return p.text(name) == "true" }

// document returns the tree unchanged, for parts that are stored and shown but not interpreted.
func (p params) document() document {
	out := document{}
	for name, value := range p {
		if child, ok := value.(params); ok {
			out[name] = child.document()
		} else {
			out[name] = value
		}
	}
	return out
}

// Stripe's limits of metadata: https://docs.stripe.com/metadata.
const (
	metadataKeys   = 50
	metadataName   = 40
	metadataLength = 500
)

// mergeMetadata applies a metadata parameter as Stripe does: keys are set one by one, an empty
// value removes its key, an empty hash removes them all.
func (p params) mergeMetadata(into map[string]string) (map[string]string, *failure) {
	out := maps.Clone(into)
	if out == nil || p.has("metadata") && p.child("metadata") == nil {
		out = map[string]string{}
	}
	for key, value := range p.child("metadata") {
		text, ok := value.(string)
		switch {
		case !ok:
			return nil, invalid(
				"", "metadata", "Metadata values must be strings, but for key `%s` you passed in a hash.", key,
			)
		case len(key) > metadataName:
			return nil, invalid("", "metadata", "Metadata keys can have up to 40 characters, but you passed in the "+
				"key `%s`.",
				key)
		case len(text) > metadataLength:
			return nil, invalid("", fmt.Sprintf("metadata[%s]", key), textLongMetadata, len(text))
		case text == "":
			delete(out, key)
		default:
			out[key] = text
		}
	}
	if len(out) > metadataKeys {
		return nil, invalid("", "metadata", "You can only set up to 50 metadata keys.")
	}
	return out, nil
}
