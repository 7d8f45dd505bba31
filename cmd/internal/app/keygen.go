package app

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"kasse/service"
)

// Keygen returns a new service key and its SERVICE_KEYS entry. The key is "ksk_" and 43 characters of
// base64url, 256 bits.
func Keygen(name, scopes string) (key, entry string, err error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never returns an error
	key = "ksk_" + base64.RawURLEncoding.EncodeToString(secret)
	entry = KeyEntry(name, key, scopes)
	if !serviceName.MatchString(name) {
		return "", "", fmt.Errorf("keygen: -name %q must match %s, such as backend", name, serviceName)
	}
	if _, ok := parseServiceKey(entry); !ok {
		return "", "", fmt.Errorf("keygen: -scopes %q must be one or more of %s, with + between them", scopes, Scopes())
	}
	return key, entry, nil
}

// KeyEntry returns a key's SERVICE_KEYS entry, which contains only its hash.
func KeyEntry(name, key, scopes string) string {
	sum := sha256.Sum256([]byte(key))
	return name + ":" + hex.EncodeToString(sum[:]) + ":" + scopes
}

// Scopes lists all scopes in the form of SERVICE_KEYS.
func Scopes() string { return service.JoinScopes("+") }
