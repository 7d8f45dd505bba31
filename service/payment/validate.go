package payment

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what Stripe takes.
//
// Source: https://docs.stripe.com/api/payment_intents/create and https://docs.stripe.com/api/metadata
const (
	maxDescription   = 1000
	maxEmail         = 254 // characters; a longer address gets no mail (RFC 5321, section 4.5.3.1.3)
	maxMetadata      = 20  // keys; Stripe takes 50, and ours are among them
	maxMetadataKey   = 40
	maxMetadataValue = 500
	maxRedisplay     = 10
)

// descriptorSuffix matches a valid suffix of a card statement: 22 characters, at least one letter, none of
// <>\'"*.
var descriptorSuffix = regexp.MustCompile(`^[^<>\\'"*\x00-\x1f\x7f-\x{10ffff}]{1,22}$`)

// methodConfiguration matches the id of a payment method configuration.
var methodConfiguration = regexp.MustCompile(`^pmc_[A-Za-z0-9_]{1,250}$`)

// maxShipping is the most characters of one member of a shipping address.
const maxShipping = 500

func (s *Shipping) problems() Problems {
	var p Problems
	if s == nil {
		return p
	}
	p.check(s.Name != "", "/shipping/name", "is required")
	p.check(s.Address.Line1 != "", "/shipping/address/line1", "is required")
	for _, m := range []struct{ member, value string }{
		{"name", s.Name},
		{"phone", s.Phone},
		{"carrier", s.Carrier},
		{"tracking_number", s.TrackingNumber},
		{"address/line1", s.Address.Line1},
		{"address/line2", s.Address.Line2},
		{"address/city", s.Address.City},
		{"address/state", s.Address.State},
		{"address/postal_code", s.Address.PostalCode},
	} {
		p.check(length(m.value) <= maxShipping, "/shipping/"+m.member, "must have at most %d characters", maxShipping)
	}
	p.check(s.Address.Country == "" || countryCode.MatchString(s.Address.Country), "/shipping/address/country",
		"must be an upper-case ISO 3166-1 alpha-2 code")
	return p
}

// countryCode matches the form of an ISO 3166-1 alpha-2 code.
var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

var hasLetter = regexp.MustCompile(`[A-Za-z]`)

// Stripe's words; the empty one means Stripe's default.
var (
	setupUsages      = []string{"", "on_session", "off_session"}
	redisplayFilters = []string{"always", "limited", "unspecified"}
)

// currencyCode matches the form of an ISO 4217 code at Stripe.
var currencyCode = regexp.MustCompile(`^[a-z]{3}$`)

// Problems collects what is wrong with an input, each with a JSON pointer.
type Problems []FieldError

func (p *Problems) check(ok bool, pointer, format string, args ...any) {
	if !ok {
		*p = append(*p, FieldError{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}
}

// Invalid is the error for a request with such problems.
func Invalid(p Problems) *Error {
	return &Error{
		Code:   CodeInvalidRequest,
		Detail: "Values of the request are missing, or do not match their type or pattern.", Fields: p,
	}
}

// Validate returns what is wrong with a create: CodeInvalidRequest with a pointer for each field,
// CodeAmountOutOfRange or CodeUnsupportedCurrency.
func (r CreateRequest) Validate() error {
	var p Problems
	p.check(r.Order.Valid(), "/order_id", "must match ^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")
	p = append(p, r.Terms.problems()...)
	p.check(length(r.Description) <= maxDescription, "/description", "must have at most %d characters", maxDescription)
	p.check(
		r.ReceiptEmail == "" || isEmail(r.ReceiptEmail), "/receipt_email",
		"must be an e-mail address of at most %d characters", maxEmail,
	)
	p.check(r.StatementDescriptorSuffix == "" || isDescriptor(
		r.StatementDescriptorSuffix,
	), "/statement_descriptor_suffix",
		`must have 1 to 22 ASCII characters, at least one letter, and none of < > \ ' " *`)
	p = append(p, metadataProblems(r.Metadata)...)
	p = append(p, r.Shipping.problems()...)
	p.check(r.MethodConfiguration == "" || methodConfiguration.MatchString(r.MethodConfiguration),
		"/payment_method_configuration", "must match %s", methodConfiguration)
	p = append(p, r.Session.Problems("/customer_session")...)
	if len(p) > 0 {
		return Invalid(p)
	}
	return r.Terms.impossible()
}

// impossible refuses terms that are well-formed, and that Stripe never accepts.
func (t Terms) impossible() error {
	var p Problems
	if t.Amount < 1 || t.Amount > MaxAmount {
		return AmountOutOfRange()
	}
	if p.check(KnownCurrency(t.Currency), "/currency", "is not a currency that Stripe charges in"); len(p) > 0 {
		return &Error{Code: CodeUnsupportedCurrency, Detail: "Stripe does not charge in this currency.", Fields: p}
	}
	return CheckAmount(t.Amount, t.Currency)
}

// AmountOutOfRange is the error for an amount that no payment can have.
func AmountOutOfRange() *Error {
	var p Problems
	p.check(false, "/amount", "must be from 1 to %d, in minor units", MaxAmount)
	return &Error{Code: CodeAmountOutOfRange, Detail: "The amount is outside the limits of a payment.", Fields: p}
}

// AboveCapturable is the error for a capture of more than can be captured. Both sums are in minor units.
func AboveCapturable(asked, capturable int64) *Error {
	var p Problems
	p.check(false, "/amount", "is %d, but at most %d can be captured, in minor units", asked, capturable)
	return &Error{Code: CodeAmountOutOfRange, Detail: "The capture exceeds the authorized amount.", Fields: p}
}

func (t Terms) problems() Problems {
	var p Problems
	p.check(currencyCode.MatchString(t.Currency), "/currency", "must be a lower-case ISO 4217 code")
	p.check(t.Customer == "" || t.Customer.Valid(), "/customer", "must match ^cus_[A-Za-z0-9_]{1,250}$")
	p.check(t.CaptureMethod.Valid(), "/capture_method", "must be automatic_async, automatic or manual")
	p.check(
		slices.Contains(setupUsages, t.SetupFutureUsage), "/setup_future_usage",
		"must be on_session or off_session",
	)
	return p
}

func metadataProblems(metadata map[string]string) Problems {
	var p Problems
	p.check(len(metadata) <= maxMetadata, "/metadata", "must have at most %d keys", maxMetadata)
	for _, key := range sortedKeys(metadata) {
		value := metadata[key]
		pointer := "/metadata/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		p.check(!strings.HasPrefix(key, reservedMetadata), pointer, "must not begin with %s", reservedMetadata)
		p.check(
			key != "" && length(key) <= maxMetadataKey && !strings.ContainsAny(key, "[]"), "/metadata",
			"keys must have 1 to %d characters and no square brackets", maxMetadataKey,
		)
		p.check(
			value != "" && length(value) <= maxMetadataValue, pointer, "must have 1 to %d characters",
			maxMetadataValue,
		)
	}
	return p
}

// Problems returns the mistakes in the features, with JSON pointers under the given one.
func (f *SessionFeatures) Problems(at string) Problems {
	var p Problems
	if f == nil {
		return p
	}
	p.check(
		f.RedisplayLimit == nil || (*f.RedisplayLimit >= 1 && *f.RedisplayLimit <= maxRedisplay),
		at+"/redisplay_limit", "must be an integer from 1 to %d", maxRedisplay,
	)
	p.check(
		f.RedisplayOnly == nil || distinct(f.RedisplayOnly), at+"/allow_redisplay_filters",
		"must name at least one filter, and none twice",
	)
	for i, filter := range f.RedisplayOnly {
		p.check(
			slices.Contains(redisplayFilters, filter), fmt.Sprintf("%s/allow_redisplay_filters/%d", at, i),
			"must be always, limited or unspecified",
		)
	}
	p.check(slices.Contains(setupUsages, f.SaveUsage), at+"/save_usage", "must be on_session or off_session")
	p.check(f.SaveUsage == "" || f.Save, at+"/save_usage", "needs save")
	p.check(!f.Save || f.SaveUsage != "" || f.Surface == SurfaceMobile, at+"/save", "needs save_usage")
	p.check(
		f.Surface == "" || f.Surface == SurfaceWeb || f.Surface == SurfaceMobile, at+"/surface",
		"must be web or mobile",
	)
	p.check(
		f.Surface != SurfaceMobile || f.RedisplayLimit == nil, at+"/redisplay_limit",
		"does not exist in native apps",
	)
	p.check(f.Surface != SurfaceMobile || f.SaveUsage == "", at+"/save_usage", "does not exist in native apps")
	p.check(
		f.SaveAs == "" || slices.Contains(redisplayFilters, f.SaveAs), at+"/save_allow_redisplay",
		"must be always, limited or unspecified",
	)
	p.check(f.Surface == SurfaceMobile || f.SaveAs == "", at+"/save_allow_redisplay", "exists in native apps only")
	return p
}

func distinct(words []string) bool {
	once := slices.Compact(slices.Sorted(slices.Values(words)))
	return len(words) > 0 && len(once) == len(words)
}

func length(s string) int { return utf8.RuneCountInString(s) }

func isEmail(s string) bool {
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == s && length(s) <= maxEmail
}

func isDescriptor(s string) bool { return descriptorSuffix.MatchString(s) && hasLetter.MatchString(s) }
