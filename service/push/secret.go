package push

import (
	"encoding/base64"
	"errors"
	"strings"
)

// decodeSecret reads the key that signs; the prefix is "whsec_", the rest standard base64, padded
// or not.
func decodeSecret(secret Secret) ([]byte, error) {
	text, prefixed := strings.CutPrefix(secret.Reveal(), "whsec_")
	if !prefixed {
		return nil, errors.New("no prefix")
	}
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}
