package api

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// createBody is the body of a create.
type createBody struct {
	Order                     nonEmptyString    `json:"order_id"`
	Amount                    int64             `json:"amount"` // minor units
	Currency                  nonEmptyString    `json:"currency"`
	Customer                  nonEmptyString    `json:"customer"`
	CaptureMethod             nonEmptyString    `json:"capture_method"`
	SetupFutureUsage          nonEmptyString    `json:"setup_future_usage"`
	Description               string            `json:"description"`
	ReceiptEmail              nonEmptyString    `json:"receipt_email"`
	StatementDescriptorSuffix nonEmptyString    `json:"statement_descriptor_suffix"`
	Metadata                  map[string]string `json:"metadata"`
	Shipping                  *shippingBody     `json:"shipping"`
	MethodConfiguration       nonEmptyString    `json:"payment_method_configuration"`
	Session                   *sessionOptions   `json:"customer_session"`
	Reopen                    bool              `json:"reopen"`
	Unknown                   unknown           `json:",embed"`
}

// sessionBody is the body that asks for another customer session.
type sessionBody struct {
	Session *sessionOptions `json:"customer_session"`
	Unknown unknown         `json:",embed"`
}

// sessionOptions are the features of a customer session.
type sessionOptions struct {
	Redisplay      *bool          `json:"redisplay"`
	RedisplayLimit *int           `json:"redisplay_limit"`
	RedisplayOnly  []string       `json:"allow_redisplay_filters"`
	Save           bool           `json:"save"`
	SaveUsage      nonEmptyString `json:"save_usage"`
	Remove         bool           `json:"remove"`
	Surface        nonEmptyString `json:"surface"`
	SaveAs         nonEmptyString `json:"save_allow_redisplay"`
	Unknown        unknown        `json:",embed"`
}

func (b createBody) request() payment.CreateRequest {
	r := payment.CreateRequest{
		Order: payment.OrderID(b.Order),
		Terms: payment.Terms{
			Amount: b.Amount, Currency: string(b.Currency), Customer: payment.CustomerID(b.Customer),
			CaptureMethod: payment.CaptureMethod(b.CaptureMethod), SetupFutureUsage: string(b.SetupFutureUsage),
		},
		Description: b.Description, ReceiptEmail: string(b.ReceiptEmail),
		StatementDescriptorSuffix: string(b.StatementDescriptorSuffix), Metadata: b.Metadata, Reopen: b.Reopen,
		Shipping: b.Shipping.shipping(), MethodConfiguration: string(b.MethodConfiguration),
	}
	if r.Terms.CaptureMethod == "" {
		r.Terms.CaptureMethod = payment.CaptureAutomaticAsync
	}
	if features := b.Session.features(); features != nil {
		r.Session = *features
	}
	return r
}

func (o *sessionOptions) features() *payment.SessionFeatures {
	if o == nil {
		return nil
	}
	return &payment.SessionFeatures{
		Redisplay: o.Redisplay, RedisplayLimit: o.RedisplayLimit, RedisplayOnly: o.RedisplayOnly,
		Save: o.Save, SaveUsage: string(o.SaveUsage), Remove: o.Remove, Surface: string(o.Surface),
		SaveAs: string(o.SaveAs),
	}
}

// checkSession refuses a session that Stripe would refuse: on the web, save needs save_usage. The
// order would keep these features, and would stay unpayable. The rules that concern one member, and
// the reverse of this one, are the service's.
func checkSession(f *payment.SessionFeatures) error {
	if f == nil || !f.Save || f.SaveUsage != "" || f.Surface == payment.SurfaceMobile {
		return nil
	}
	return &refusal{
		payment.CodeInvalidRequest, "The customer session cannot have these features together.",
		[]fieldError{
			{Pointer: "/customer_session/save_usage", Detail: "is required with save: on_session or off_session"},
		},
	}
}

// checkAskedSession refuses a session that no payment can have, of a page or of a token.
func checkAskedSession(f *payment.SessionFeatures) error {
	if err := checkSession(f); err != nil {
		return err
	}
	if p := f.Problems("/customer_session"); len(p) > 0 {
		return payment.Invalid(p)
	}
	return nil
}

// session is a customer session as it is answered.
type session struct {
	ClientSecret string    `json:"client_secret"`
	ExpiresAt    time.Time `json:"expires_at"`
}

func newSession(s *payment.Session) *session {
	if s == nil {
		return nil
	}
	return &session{s.ClientSecret.Reveal(), s.ExpiresAt.UTC().Truncate(time.Second)}
}

func (a *api) createPayment(c echo.Context) error {
	request, err := a.createRequest(c)
	about := &infoOf(c).subject
	about.setTerms(request)
	if err != nil {
		return err
	}
	opened, err := a.service.Create(c.Request().Context(), request)
	if err != nil {
		return err
	}
	about.payment, about.amount = opened.ID, 0 // an older token pays today's price
	about.setView(opened.View)
	text, err := a.openedPayment(opened)
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, etag(opened.Version))
	status := http.StatusOK
	if opened.New {
		status = http.StatusCreated
		c.Response().Header().Set(echo.HeaderLocation, "/v1/payments/"+string(opened.ID))
	}
	return c.JSONBlob(status, text)
}

// createRequest returns the create of a service key's body or of a token.
func (a *api) createRequest(c echo.Context) (payment.CreateRequest, error) {
	var body createBody
	if claims := infoOf(c).claims; claims != nil {
		if !claims.opens() {
			return payment.CreateRequest{}, &refusal{
				code:   codeInsufficientScope,
				detail: "The order token has no amount and currency, so it can only read its order.",
			}
		}
		present, err := decodeMembers(c, &body)
		if err == nil {
			err = cmp.Or(
				checkAskedSession(body.Session.features()), claims.compare(body, present), checkSession(claims.Session),
			)
		}
		if err != nil {
			return claims.request(), err
		}
		return claims.narrowed(body.Session.features())
	}
	return a.keyRequest(c)
}

// keyRequest is the create that the body of a service key asks for.
func (a *api) keyRequest(c echo.Context) (payment.CreateRequest, error) {
	var body createBody
	err := decode(c, &body, "order_id", "amount", "currency")
	return body.request(), cmp.Or(err, checkSession(body.Session.features()))
}

// openedPayment appends what the page needs in order to pay to the rendered view.
func (a *api) openedPayment(o service.Opened) ([]byte, error) {
	rest, err := json.Marshal(struct {
		ClientSecret   string   `json:"client_secret"`
		Session        *session `json:"customer_session"`
		PublishableKey string   `json:"publishable_key"`
	}{o.ClientSecret.Reveal(), newSession(o.Session), a.PublishableKey})
	return bytes.Join(
		[][]byte{bytes.TrimSuffix(o.View, []byte("}")), bytes.TrimPrefix(rest, []byte("{"))}, []byte(","),
	), err
}

func (a *api) createCustomerSession(c echo.Context) error {
	var body sessionBody
	if err := decode(c, &body); err != nil {
		return err
	}
	features := body.Session.features()
	if err := checkAskedSession(features); err != nil {
		return err
	}
	if claims := infoOf(c).claims; claims != nil {
		if err := checkAskedSession(claims.Session); err != nil {
			return err
		}
	}
	id := paymentID(c)
	made, err := a.service.RefreshSession(c.Request().Context(), infoOf(c).caller, id, features)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/payments/"+string(id))
	return answerJSON(c, http.StatusCreated, struct {
		Session *session `json:"customer_session"`
	}{newSession(&made)})
}

func (a *api) getPayment(c echo.Context) error {
	wait, err := intParameter(c, "wait", 0, maxWait, 0)
	if err != nil {
		return err
	}
	return a.status(c, paymentID(c), time.Duration(wait)*time.Second)
}

func (a *api) getPaymentHistory(c echo.Context) error {
	history, err := a.service.History(c.Request().Context(), paymentID(c))
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, struct {
		History []payment.HistoryView `json:"history"`
	}{history})
}

// paymentID returns the payment that the path names; guard has checked it.
func paymentID(c echo.Context) payment.ID { return payment.ID(c.Param("payment_intent")) }

const headerETag = "Etag" // as net/http writes it

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }
