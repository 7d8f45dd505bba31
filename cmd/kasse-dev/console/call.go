package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// callTimeout limits one request to Kasse or the simulator. It is longer than their long polls.
const callTimeout = 40 * time.Second

// refusal is an error response.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// callKasse calls Kasse with the service key. An error response becomes a *refusal with Kasse's text.
func (c *Console) callKasse(ctx context.Context, method, path string, body, into any) error {
	return c.call(ctx, method, c.Kasse+path, c.Key, body, into)
}

// callControl calls a control route of the simulator. An error response becomes a *refusal with the
// simulator's text.
func (c *Console) callControl(ctx context.Context, method, path string, body, into any) error {
	return c.call(ctx, method, c.Control+path, "", body, into)
}

func (c *Console) call(ctx context.Context, method, url, key string, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if response.StatusCode >= http.StatusBadRequest {
		return refused(response)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// refused reads the reason of an error response: "detail" from Kasse, "error" from the simulator.
func refused(response *http.Response) error {
	var why struct{ Title, Detail, Error string }
	_ = json.NewDecoder(response.Body).Decode(&why)
	for _, text := range []string{why.Error, why.Detail, why.Title} {
		if text != "" {
			return &refusal{response.StatusCode, text}
		}
	}
	return &refusal{response.StatusCode, fmt.Sprintf("The answer was %d.", response.StatusCode)}
}

// fail answers the page after an error or a refusal of Kasse or the simulator.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, err error) {
	if no, ok := errors.AsType[*refusal](err); ok {
		Refuse(w, no.status, no.text)
		return
	}
	c.Logger.WarnContext(r.Context(), "console: request failed", "path", r.URL.Path, "error", err)
	Refuse(w, http.StatusBadGateway, "Kasse or the simulator did not answer.")
}

// Refuse answers a page's request with a message for the user.
func Refuse(w http.ResponseWriter, status int, message string) {
	WriteJSON(w, status, map[string]string{"error": message})
}

// WriteJSON answers a page's request with a JSON value.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
