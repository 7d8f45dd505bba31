package api

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// FuzzBody sends any body of a create. Nothing may panic. A refusal has a code of the contract and quotes
// nothing. An accepted body means the same to another decoder.
func FuzzBody(f *testing.F) {
	const good = `{"order_id":"shop-1","amount":4999,"currency":"eur"}`
	for _, seed := range []string{
		good, `{}`, ``, `null`, `[]`, `"x"`, `{"order_id":null}`, strings.Replace(
			good, "4999", "1e2", 1,
		), strings.Replace(good, "4999", "-0", 1),
		strings.Replace(good, "4999", "9223372036854775808", 1), strings.Replace(
			good, `"amount"`, `"amount":1,"amount"`, 1,
		), strings.Replace(good, "amount", "Amount", 1),
		good + " ", good + good, "\ufeff" + good, strings.Replace(
			good, "shop-1", `\ud800`, 1,
		), strings.Replace(good, "shop-1", "a\x00b", 1),
		strings.TrimSuffix(good, "}") +
			`,"metadata":{"a":"b"},"customer_session":{"redisplay_limit":3,` +
			`"allow_redisplay_filters":["always",null],"x":[{}]},"reopen":false}`,
		strings.Repeat("[", 2000), strings.Repeat(`{"metadata":`, 500),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var body createBody
		err := decode(jsonRequest(text), &body, "order_id", "amount", "currency")
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) || problemTypes[refused.code].status < 400 ||
				problemTypes[refused.code].status > 499 {
				t.Fatalf("%q is no refusal: %v", text, err)
			}
			return
		}
		if len(body.Unknown) > 0 {
			t.Errorf("%q has unknown members: %v", text, body.Unknown)
		}
		var plain struct {
			Order    string            `json:"order_id"`
			Amount   json.Number       `json:"amount"`
			Currency string            `json:"currency"`
			Metadata map[string]string `json:"metadata"`
		}
		if err := json.Unmarshal([]byte(text), &plain); err != nil {
			t.Fatalf("%q is taken, and by another refused: %v", text, err)
		}
		if amount, err := plain.Amount.Int64(); err != nil || amount != body.Amount ||
			plain.Order != string(body.Order) || plain.Currency != string(body.Currency) {
			t.Errorf("%q is read as %+v, and by another as %+v", text, body, plain)
		}
		if len(plain.Metadata)+len(body.Metadata) > 0 && !reflect.DeepEqual(plain.Metadata, body.Metadata) {
			t.Errorf("%q has the metadata %v, and for another %v", text, body.Metadata, plain.Metadata)
		}
	})
}

func jsonRequest(text string) echo.Context {
	r := httptest.NewRequest(http.MethodPost, "/v1/payments", strings.NewReader(text))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	return echo.New().NewContext(r, httptest.NewRecorder())
}

// FuzzPathIDs puts any text, escaped or not, in place of a path's id. An accepted id has the form of an id,
// so it is harmless in a path or key.
func FuzzPathIDs(f *testing.F) {
	for _, seed := range []string{
		"pi_1", "shop-1", "shop:1", "shop%3A1", "", ".", "..", "%2e%2e", "%2E", "search", "pi_", "pi_1/../x",
		"pi_1%2F..%2Fx", "}{", "%7D%7B", "a\r\nb", "a%0D%0Ab", "\x00", "%00",
		"pi_%FF", "pi_1?x=1", "pi_1#x", "pi_1;x", "%25", "%2525", "%", "ä", "pi_" + strings.Repeat(
			"a", 300,
		), strings.Repeat("a", 65), " pi_1", "pi_1 ", "PI_1", "pi_1%20",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		for _, name := range []string{"payment_intent", "order_id"} {
			e := echo.New()
			var passed []string
			e.GET("/v1/x/:"+name+"/y", func(c echo.Context) error {
				if err := checkPathIDs(c); err != nil {
					return err
				}
				passed = append(passed, c.Param(name))
				return nil
			})
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			parsed, err := r.URL.Parse("/v1/x/" + id + "/y")
			if err != nil {
				continue // net/http refuses it
			}
			r.URL = parsed
			answer := httptest.NewRecorder()
			e.ServeHTTP(answer, r)
			_, _ = io.Copy(io.Discard, answer.Body)
			for _, got := range passed {
				if !harmless(got) || !pathIDs[name](got) || (name == "payment_intent" && !strings.HasPrefix(
					got, "pi_",
				)) {
					t.Errorf("%q comes through as the %s %q", id, name, got)
				}
			}
		}
	})
}

// harmless checks an id with its own rules, not with the tested patterns.
func harmless(id string) bool {
	return len(id) <= 253 && id != "" && !slices.Contains(
		[]string{".", ".."}, id,
	) && strings.IndexFunc(id, func(r rune) bool {
		return r > 'z' || !strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._:-", r)
	}) < 0
}

// FuzzNumbers: a number in a query is a plain decimal one between its bounds, or none.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{
		"0", "25", "26", "-1", "+1", "01", "1e1", "0x1", "1_0", " 1", "٣", "", "99999999999999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.URL.RawQuery = "wait=" + strings.NewReplacer(
			"%", "%25", "&", "%26", "+", "%2B", ";", "%3B", "#", "%23", " ", "%20",
		).Replace(text)
		n, err := intParameter(echo.New().NewContext(r, httptest.NewRecorder()), "wait", 0, maxWait, math.MinInt)
		if err != nil {
			if failed, ok := errors.AsType[*refusal](err); !ok || failed.code != payment.CodeInvalidRequest {
				t.Errorf("%q is no refusal: %v", text, err)
			}
			return
		}
		if n != math.MinInt && (n < 0 || n > maxWait || strings.TrimLeft(text, "0123456789") != "" || len(text) > 2) {
			t.Errorf("%q is the number %d", text, n)
		}
	})
}
