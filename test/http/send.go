package http

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// Session sends requests and keeps the responses of named ones.
type Session struct {
	Client    *http.Client
	Variables map[string]string
	answers   map[string]Answer
}

// Answer is a response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send replaces the variables of a request and sends it.
func (s *Session) Send(ctx context.Context, r Request) (Answer, error) {
	var missing error
	fill := func(text string) string {
		filled, err := s.fill(text)
		if err != nil {
			missing = err
		}
		return filled
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, fill(r.URL), strings.NewReader(fill(r.Body)))
	if err != nil {
		return Answer{}, err
	}
	for _, header := range r.Headers {
		req.Header.Set(header[0], fill(header[1]))
	}
	if missing != nil {
		return Answer{}, missing
	}
	response, err := s.Client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: body}
	if r.Name != "" {
		if s.answers == nil {
			s.answers = map[string]Answer{}
		}
		s.answers[r.Name] = answer
	}
	return answer, err
}

var braces = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}`)

// fill replaces the text in double braces. A variable's value may contain other variables.
func (s *Session) fill(text string) (filled string, err error) {
	filled = braces.ReplaceAllStringFunc(text, func(match string) string {
		value, e := s.value(braces.FindStringSubmatch(match)[1])
		if e != nil {
			err = e
		}
		return value
	})
	return filled, err
}

func (s *Session) value(name string) (string, error) {
	if name == "$guid" {
		return rand.Text(), nil
	}
	if value, known := s.Variables[name]; known {
		return s.fill(value)
	}
	of, path, _ := strings.Cut(name, ".response.")
	answer, known := s.answers[of]
	if !known {
		return "", fmt.Errorf("no variable or response has the name %q", name)
	}
	if header, is := strings.CutPrefix(path, "headers."); is && answer.Header.Get(header) != "" {
		return answer.Header.Get(header), nil
	}
	if member, is := strings.CutPrefix(path, "body.$."); is {
		return answer.Member(member)
	}
	return "", fmt.Errorf("the response has no %q", name)
}

// Member returns a string or number of the body by a dotted path.
func (a Answer) Member(path string) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(a.Body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("the response is not JSON: %w", err)
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	}
	return "", fmt.Errorf("the response has no %q", path)
}
