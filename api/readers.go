package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// mintRequest is a service key's request of a token. Without terms, and without a member that needs them, the
// token only reads.
func (a *api) mintRequest(c echo.Context) (r payment.CreateRequest, reads bool, err error) {
	var body createBody
	present, err := decodeMembers(c, &body, "order_id")
	r = body.request()
	r.Unclaimed = body.Session == nil
	if err = cmp.Or(err, checkSession(body.Session.features())); err != nil {
		return r, false, err
	}
	reads = true
	for pointer := range present {
		ofSession := pointer == "/customer_session" || strings.HasPrefix(string(pointer), "/customer_session/")
		reads = reads && (pointer == "" || pointer == "/order_id" || ofSession)
	}
	if reads {
		return r, true, nil
	}
	var missing []fieldError
	for _, pointer := range []jsontext.Pointer{"/amount", "/currency"} {
		if !present[pointer] {
			missing = append(missing, fieldError{Pointer: string(pointer), Detail: "is required"})
		}
	}
	if len(missing) > 0 {
		return r, false, &refusal{
			payment.CodeInvalidRequest, "A token with these members also needs amount and currency.", missing,
		}
	}
	return r, false, nil
}

// mintReader signs a token that only reads its order. It is for the order's customer.
func (a *api) mintReader(c echo.Context, r payment.CreateRequest) error {
	problems := slices.Clone(r.Session.Problems("/customer_session"))
	if !r.Order.Valid() {
		problems = append(problems, payment.FieldError{Pointer: "/order_id", Detail: "is malformed"})
	}
	if len(problems) > 0 {
		return payment.Invalid(problems)
	}
	customer, rev, err := a.service.OrderCustomer(c.Request().Context(), r.Order)
	if err != nil {
		return err
	}
	said := claims{Order: r.Order, Customer: customer}
	if !r.Unclaimed {
		said.Session = &r.Session
	}
	token, expires, err := a.Tokens.sign(said)
	if err != nil {
		return err
	}
	return answerToken(c, r.Order, token, expires, rev)
}

// answerToken answers with a token that was minted.
func answerToken(c echo.Context, id payment.OrderID, token string, expires time.Time, rev int64) error {
	c.Response().Header().Set(echo.HeaderLocation, "/v1/orders/"+string(id))
	return answerJSON(c, http.StatusCreated, struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
		Rev       int64     `json:"rev"`
	}{token, expires, rev})
}

// sign adds the claims that every minted token has, and signs it with the first secret.
func (k Tokens) sign(said claims) (token string, expires time.Time, err error) {
	now := k.Now().UTC().Truncate(time.Second)
	expires = now.Add(k.TTL)
	said.RegisteredClaims = jwt.RegisteredClaims{
		Audience: jwt.ClaimStrings{
			k.Audience,
		}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	}
	unsigned := jwt.NewWithClaims(jwt.GetSigningMethod(tokenAlgorithm), said)
	unsigned.Header["kid"] = k.Secrets[0].KID
	token, err = unsigned.SignedString([]byte(k.Secrets[0].Key.Reveal()))
	return token, expires, err
}
