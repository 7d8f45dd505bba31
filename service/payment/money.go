package payment

import "strings"

// MaxAmount is the greatest amount of a payment, in minor units.
//
// Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
const MaxAmount = 99_999_999

// CaptureMethod says when the money is taken, in Stripe's words.
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
