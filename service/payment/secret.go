package payment

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is a value that is used but never shown: every way of formatting it gives "***". The exceptions are
// the verbs %p and %w, which vet refuses, and unexported members of a struct that is formatted as a whole.
type Secret string

// String hides the value.
func (Secret) String() string { return "***" }

// GoString hides the value from code generators.
func (Secret) GoString() string { return "***" }

// Format hides the value from fmt even with a wrong verb: %d would otherwise show it.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalJSON hides the value from JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

// MarshalText hides the value from other encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// LogValue hides the value from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Reveal returns the value itself, for the one place that has to send or check it.
func (s Secret) Reveal() string { return string(s) }

// Hash returns the lower-case hex of the value's SHA-256, the only trace of a client secret that is ever stored.
func (s Secret) Hash() string {
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Matches compares the value with a stored hash in constant time; an empty hash matches nothing.
func (s Secret) Matches(hash string) bool {
	sum := sha256.Sum256([]byte(s))
	var own [2 * sha256.Size]byte
	hex.Encode(own[:], sum[:])
	return s != "" && subtle.ConstantTimeCompare(own[:], []byte(hash)) == 1
}

// WithoutSecret returns the id that a path names. A caller may put a client secret there by mistake: its id is then
// all that Stripe, Redis and the logs may see.
func (id ID) WithoutSecret() ID {
	name, _, _ := strings.Cut(string(id), "_secret_")
	return ID(name)
}

// ClientSecretOf returns the PaymentIntent that a client secret, "pi_…_secret_…", opens.
func ClientSecretOf(s Secret) (ID, bool) {
	id, rest, ok := strings.Cut(string(s), "_secret_")
	return ID(id), ok && rest != "" && ID(id).Valid()
}
