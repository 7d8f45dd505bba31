package payment

import "strings"

// MaxAmount is the greatest amount of a payment, in minor units: twelve digits, which Stripe takes in IDR. Most
// currencies have a lower maximum, which Stripe checks.
//
// Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
const MaxAmount = 999_999_999_999

// amountSteps are the currencies whose amounts must be multiples of a number of minor units.
var amountSteps = map[string]int64{
	"bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10, // three decimals, of which the last must be 0
	"isk": 100, "ugx": 100, // two decimals, both of which must be 0
}

// CheckAmount refuses an amount, in minor units, that Stripe does not accept in the currency: out of range,
// or not a multiple of the currency's step. The error names the next valid amount.
func CheckAmount(amount int64, currency string) error {
	if amount < 1 || amount > MaxAmount {
		return AmountOutOfRange()
	}
	step := max(amountSteps[currency], 1)
	if amount%step == 0 {
		return nil
	}
	var p Problems
	below := amount - amount%step
	above := below + step
	if below == 0 {
		p.check(false, "/amount", "must be a multiple of %d in %s: %d would fit", step, currency, above)
	} else {
		p.check(false, "/amount", "must be a multiple of %d in %s: %d or %d would fit", step, currency, below, above)
	}
	return &Error{Code: CodeAmountOutOfRange, Detail: "Stripe does not accept this amount in this currency.", Fields: p}
}

// CaptureMethod is Stripe's capture_method: when the money is captured.
type CaptureMethod string

// Stripe's capture methods.
const (
	CaptureAutomaticAsync CaptureMethod = "automatic_async"
	CaptureAutomatic      CaptureMethod = "automatic"
	CaptureManual         CaptureMethod = "manual"
)

// Valid reports whether the method is one of Stripe's.
func (m CaptureMethod) Valid() bool {
	return m == CaptureAutomaticAsync || m == CaptureAutomatic || m == CaptureManual
}

// presentmentCurrencies are the currencies that Stripe charges in.
//
// Source: https://docs.stripe.com/currencies#presentment-currencies
const presentmentCurrencies = ` usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr
ils inr isk jmd jpy kes kgs khr kmf krw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn
nad ngn nio nok npr nzd pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb
tjs top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw bhd jod kwd omr tnd `

var currencies = func() map[string]bool {
	known := map[string]bool{}
	for code := range strings.FieldsSeq(presentmentCurrencies) {
		known[code] = true
	}
	return known
}()

// KnownCurrency reports whether Stripe charges in the currency, given in lower case.
func KnownCurrency(code string) bool { return currencies[code] }
