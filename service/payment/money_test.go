package payment

import (
	"errors"
	"strings"
	"testing"
)

// TestCheckAmount: an amount that a currency does not allow is refused with the nearest amounts that would fit.
func TestCheckAmount(t *testing.T) {
	for _, tt := range []struct {
		amount   int64
		currency string
		fits     string // amount that the error proposes; empty: the amount is accepted
	}{
		{1, "eur", ""},
		{1, "jpy", ""},
		{1, "mga", ""},
		{MaxAmount, "idr", ""},
		{5120, "kwd", ""},
		{5124, "kwd", "5120 or 5130 would fit"},
		{5, "bhd", "10 would fit"},
		{501, "jod", "500 or 510 would fit"},
		{501, "omr", "500 or 510 would fit"},
		{501, "tnd", "500 or 510 would fit"},
		{500, "isk", ""},
		{550, "isk", "500 or 600 would fit"},
		{99, "ugx", "100 would fit"},
		{0, "eur", "from 1 to 999999999999"},
		{-100, "isk", "from 1 to 999999999999"},
		{MaxAmount + 1, "isk", "from 1 to 999999999999"},
	} {
		err := CheckAmount(tt.amount, tt.currency)
		var e *Error
		switch {
		case tt.fits == "" && err == nil:
		case !errors.As(err, &e), tt.fits == "":
			t.Errorf("%d %s: got %v", tt.amount, tt.currency, err)
		case e.Code != CodeAmountOutOfRange, len(e.Fields) != 1, !strings.Contains(e.Fields[0].Detail, tt.fits):
			t.Errorf("%d %s: %+v, want %q", tt.amount, tt.currency, e, tt.fits)
		}
	}
	for currency := range amountSteps {
		if !KnownCurrency(currency) {
			t.Errorf("%s is not a known currency", currency)
		}
	}
}
