package payment

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
)

// words are the texts so far of one coded value. A repeated text is written as a reference.
type words struct {
	seen []string
}

// dictionary has the texts that orders have in common. Its numbers are stored: words are only added, at the end,
// and a program that writes a new one needs a number of its own for the dictionary (Dictionary), one release after
// programs can read it.
var dictionary = [...]string{
	"kasse", "kasse_service", "kasse_order_id", "kasse_attempt", "kasse_rev", "kasse_closed", "1", "2", "3",
	"2024-06-20",
	"2026-10-28.endive", "eur", "usd", "gbp", "chf", "requires_payment_method", "requires_confirmation",
	"requires_action",
	"processing", "requires_capture", "succeeded", "canceled", "automatic_async", "automatic", "manual", "on_session",
	"off_session", "pending", "action_required", "failed", "authorized", "paid", "partially_refunded", "refunded",
	"disputed",
	"charged_back", "api", "read", "rebuild", "payment_intent.created", "payment_intent.succeeded",
	"payment_intent.processing", "payment_intent.requires_action", "payment_intent.payment_failed",
	"payment_intent.canceled", "payment_intent.amount_capturable_updated", "payment_intent.partially_funded",
	"charge.refunded", "refund.created", "refund.updated", "refund.failed", "charge.refund.updated",
	"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn",
	"charge.dispute.funds_reinstated", "needs_response", "under_review", "won", "lost", "warning_needs_response",
	"warning_under_review", "warning_closed", "requested_by_customer", "duplicate", "fraudulent", "abandoned",
	"card_declined", "insufficient_funds", "generic_decline", "authentication_required",
	"payment_intent_authentication_failure", "use_stripe_sdk", "redirect_to_url", "attempts_exhausted", "web", "mobile",
	"always", "limited", "unspecified", "order", "order_id", "channel", "source", "shop", "card", "visa", "mastercard",
	"charge.succeeded", "charge.failed", "charge.updated", "review.opened", "review.closed",
}

// Dictionary is the number of the dictionary that this program writes, and the highest that it reads.
const Dictionary = 1

// longestWord is the length from which no text is looked up in the dictionary.
const longestWord = len("payment_intent.amount_capturable_updated")

var dictionaryIndex = func() map[string]byte {
	index := make(map[string]byte, len(dictionary))
	for i, word := range dictionary {
		index[word] = byte(i)
	}
	return index
}()

// DictionaryWord returns the word of the dictionary that equals the text. It allocates nothing.
func DictionaryWord(text []byte) (word string, known bool) {
	at, known := dictionaryIndex[string(text)]
	if !known {
		return "", false
	}
	return dictionary[at], true
}

// How a text begins.
const (
	textDictionary = 0x00 // to 0x7f: a word of the dictionary
	textReference  = 0x80 // to 0xbe: a text that came before, by its number
	textFar        = 0xbf // one with a higher number, which follows
	textPlain      = 0xc0 // length and bytes
	textHex        = 0xc1 // length and bytes of what is hexadecimal
	textID         = 0xc2 // length; of letters, digits, _ and -, four in three bytes
	textDecimal    = 0xc3 // a positive integer
)

// shortest is the length from which a text is worth a reference.
const shortest = 3

func (c *coder) writeText(s string) {
	if len(s) <= longestWord {
		if at, ok := dictionaryIndex[s]; ok {
			c.buf = append(c.buf, textDictionary+at)
			return
		}
	}
	if len(s) >= shortest {
		if at := slices.Index(c.words.seen, s); at >= 0 {
			c.writeReference(at)
			return
		}
		c.words.seen = append(c.words.seen, s)
	}
	if n, ok := decimal(s); ok {
		c.buf = binary.AppendUvarint(append(c.buf, textDecimal), n)
		return
	}
	switch shapeOf(s) {
	case textHex:
		c.buf = binary.AppendUvarint(append(c.buf, textHex), uint64(len(s)/2))
		c.buf, _ = hex.AppendDecode(c.buf, []byte(s)) // its characters were looked at
	case textID:
		c.buf = binary.AppendUvarint(append(c.buf, textID), uint64(len(s)))
		c.buf = appendPacked(c.buf, s)
	default:
		c.buf = binary.AppendUvarint(append(c.buf, textPlain), uint64(len(s)))
		c.buf = append(c.buf, s...)
	}
}

func (c *coder) writeReference(at int) {
	if at < textFar-textReference {
		c.buf = append(c.buf, byte(textReference+at)) //nolint:gosec // it is below 0xbf
		return
	}
	c.buf = binary.AppendUvarint(append(c.buf, textFar), uint64(at))
}

func (c *coder) readText() string {
	head := c.bytes(1)
	if head == nil {
		return ""
	}
	kind := head[0]
	switch {
	case kind < textReference:
		if int(kind) >= len(dictionary) {
			c.fail(fmt.Errorf("word %d of the dictionary is not known", kind))
			return ""
		}
		return dictionary[kind]
	case kind < textFar:
		return c.reference(uint64(kind - textReference))
	case kind == textFar:
		return c.reference(c.uvarint())
	}
	s := c.readNewText(kind)
	if len(s) >= shortest && c.err == nil {
		c.words.seen = append(c.words.seen, s)
	}
	return s
}

func (c *coder) reference(at uint64) string {
	if at >= uint64(len(c.words.seen)) {
		c.fail(fmt.Errorf("text %d of the stored form is not known", at))
		return ""
	}
	return c.words.seen[at]
}

func (c *coder) readNewText(kind byte) string {
	n := c.uvarint()
	switch kind {
	case textDecimal:
		return strconv.FormatUint(n, 10)
	case textPlain:
		return string(c.bytes(n))
	case textHex:
		return hex.EncodeToString(c.bytes(n))
	case textID:
		return c.readPacked(n)
	}
	c.fail(fmt.Errorf("a text of the stored form has the unknown type %d", kind))
	return ""
}

// decimal reads a text that is the usual form of a positive integer.
func decimal(s string) (n uint64, ok bool) {
	if s == "" || s[0] == '0' || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, true
}

// shapeOf is how a text is best written.
func shapeOf(s string) byte {
	isHex, isID := len(s) >= 8 && len(s)%2 == 0, len(s) >= 8
	for i := range len(s) {
		c := s[i]
		isHex = isHex && (('0' <= c && c <= '9') || ('a' <= c && c <= 'f'))
		if isID = isID && sixBits[c] != noBits; !isHex && !isID {
			return textPlain
		}
	}
	switch {
	case isHex:
		return textHex
	case isID:
		return textID
	}
	return textPlain
}

const (
	idCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	noBits       = 0xff
)

// sixBits numbers the characters of ids.
var sixBits = func() (table [256]byte) {
	for i := range table {
		table[i] = noBits
	}
	for i := range len(idCharacters) {
		table[idCharacters[i]] = byte(i)
	}
	return table
}()

// appendPacked writes four characters in three bytes, and those that are left over as they are.
func appendPacked(b []byte, s string) []byte {
	for ; len(s) >= 4; s = s[4:] {
		n := uint32(sixBits[s[0]])<<18 | uint32(sixBits[s[1]])<<12 | uint32(sixBits[s[2]])<<6 | uint32(sixBits[s[3]])
		b = append(b, byte(n>>16), byte(n>>8), byte(n)) //nolint:gosec // the lower bits are meant
	}
	return append(b, s...)
}

func (c *coder) readPacked(length uint64) string {
	if length > uint64(2*len(c.buf)) {
		c.fail(errCutOff)
		return ""
	}
	packed := c.bytes(length/4*3 + length%4)
	s := make([]byte, 0, 64)
	for ; len(packed) >= 3 && uint64(len(s))+4 <= length; packed = packed[3:] {
		n := uint32(packed[0])<<16 | uint32(packed[1])<<8 | uint32(packed[2])
		s = append(s, idCharacters[n>>18], idCharacters[n>>12&63], idCharacters[n>>6&63], idCharacters[n&63])
	}
	return string(append(s, packed...))
}
