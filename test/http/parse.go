// Package http parses .http files, as editors send them, for a test that sends them to Kasse.
//
// It supports requests separated by ### lines, comments with # and //, `@variable = value`, a request line, headers,
// and a body. In double braces it supports a variable, $guid, and parts of a named request's response:
// name.response.body.$.a.b and name.response.headers.Name. Any other text in double braces is an error.
package http

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Request is one request of a file, before its variables are replaced.
type Request struct {
	Line   int    // line of its title, from 1
	Title  string // text after ###
	Name   string // `# @name`; later requests refer to its response by it
	Status int    // `# @expect`
	Until  Wanted // `# @until`

	Method, URL string
	Headers     [][2]string
	Body        string
}

// Wanted is a member of the response's body with the value that it must reach; an empty Member accepts any
// response.
type Wanted struct{ Member, Value string }

// File is a parsed file.
type File struct {
	Variables map[string]string
	Requests  []Request
}

// Parse parses a file. Every request must name its expected status.
func Parse(text string) (File, error) {
	f := File{Variables: map[string]string{}}
	var part []string
	start := 1
	for i, line := range append(strings.Split(text, "\n"), "###") {
		if !strings.HasPrefix(line, "###") {
			part = append(part, strings.TrimRight(line, "\r"))
			continue
		}
		if err := f.add(start, part); err != nil {
			return f, err
		}
		part, start = []string{line}, i+1
	}
	return f, nil
}

// add parses the lines between two separators: variables, comments, and at most one request.
func (f *File) add(start int, lines []string) error {
	r := Request{Line: start}
	for i, line := range lines {
		comment, isComment := comment(line)
		name, value, isVariable := strings.Cut(line, "=")
		switch {
		case isComment:
			if err := r.parseComment(comment); err != nil {
				return fmt.Errorf("line %d: %w", start+i, err)
			}
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "@") && isVariable:
			f.Variables[strings.TrimSpace(name[1:])] = strings.TrimSpace(value)
		default:
			if err := r.read(lines[i:]); err != nil {
				return fmt.Errorf("line %d: %w", start+i, err)
			}
			f.Requests = append(f.Requests, r)
			return nil
		}
	}
	return nil
}

func comment(line string) (text string, is bool) {
	for _, sign := range []string{"###", "#", "//"} {
		if text, is = strings.CutPrefix(line, sign); is {
			return strings.TrimSpace(text), true
		}
	}
	return "", false
}

// parseComment parses a comment. The first is the title; an @ begins a directive.
func (r *Request) parseComment(text string) (err error) {
	kind, rest, _ := strings.Cut(text, " ")
	switch kind {
	case "@name":
		r.Name = rest
	case "@expect":
		r.Status, err = strconv.Atoi(rest)
	case "@until":
		r.Until.Member, r.Until.Value, _ = strings.Cut(rest, " ")
	default:
		if r.Title == "" {
			r.Title = text
		}
	}
	return err
}

// read parses a request line, headers, and after an empty line the body. The lines of a form are joined.
func (r *Request) read(lines []string) error {
	method, address, found := strings.Cut(lines[0], " ")
	if !found || r.Status == 0 {
		return fmt.Errorf("%q is not a request line, or # @expect is missing", lines[0])
	}
	r.Method, r.URL = method, strings.TrimSpace(address)
	for i, line := range lines[1:] {
		if line == "" {
			r.Body = strings.TrimSpace(strings.Join(lines[i+2:], "\n"))
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return fmt.Errorf("%q is not a header", line)
		}
		r.Headers = append(r.Headers, [2]string{http.CanonicalHeaderKey(name), strings.TrimSpace(value)})
		if strings.Contains(value, "x-www-form-urlencoded") {
			defer func() { r.Body = strings.ReplaceAll(r.Body, "\n", "") }()
		}
	}
	return nil
}
