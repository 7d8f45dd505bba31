package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"kasse/service/payment"
)

var quarantineScript = script("quarantine")

// Limits of the quarantine: number of events, and bytes of each text.
const (
	quarantined     = 10_000
	quarantinedText = 255
)

// Quarantine stores a description of an invalid signed event; never its body, which may contain client
// secrets.
func (s *Store) Quarantine(ctx context.Context, n payment.StripeEvent, body []byte) error {
	sum := sha256.Sum256(body)
	part := s.partitionAt(0)
	_, err := s.run(ctx, quarantineScript, part, []string{part.quarantine(), s.meta(part)},
		quarantined, cut(n.ID), cut(n.Type), len(body), hex.EncodeToString(sum[:]), cut(n.Unreadable))
	return err
}

// cut shortens a text of unknown length, and makes it valid UTF-8.
func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), quarantinedText)], "")
}
