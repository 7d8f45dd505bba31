package app

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"kasse/service"
)

// Keygen makes a service key, and its entry for SERVICE_KEYS. The key is "ksk_" and 43 characters of base64url, 256
// bits.
func Keygen(name, scopes string) (key, entry string, err error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	key = "ksk_" + base64.RawURLEncoding.EncodeToString(secret)
	entry = KeyEntry(name, key, scopes)
	if _, ok := parseServiceKey(entry); !ok {
		return "", "", errors.New(
			"the name must match ^[a-z0-9-]{1,32}$, the scopes must be some of " + Scopes(),
		)
	}
	return key, entry, nil
}

// KeyEntry is what SERVICE_KEYS holds of a key: never the key itself.
func KeyEntry(name, key, scopes string) string {
	sum := sha256.Sum256([]byte(key))
	return name + ":" + hex.EncodeToString(sum[:]) + ":" + scopes
}

// Scopes names the scopes that a key may have, as SERVICE_KEYS takes them.
func Scopes() string { return service.JoinScopes("+") }
