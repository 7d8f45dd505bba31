package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"kasse/service"
)

// Answer is an HTTP response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends one request. It returns an error unless the whole response arrives.
func Call(
	ctx context.Context, client *http.Client, method, address string, header map[string]string, body string,
) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, text}, err
}

// keyEntry is the SERVICE_KEYS entry of a key with all scopes.
func keyEntry(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "backend:" + hex.EncodeToString(sum[:]) + ":" + service.JoinScopes("+")
}
