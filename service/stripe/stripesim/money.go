package stripesim

import (
	"fmt"
	"math"
	"strings"
)

// maxAmount is eight digits, whatever the currency: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
const maxAmount = 99999999

// minimums are the least amounts of that page, in minor units. Currencies it does not name have none here.
var minimums = map[string]int64{
	"usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500,
	"inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}

// currencies are those Stripe presents prices in: https://docs.stripe.com/currencies#presentment-currencies.
var currencies = strings.Fields(`usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc
	cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp
	lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek
	sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw`)

// decimals are the digits of a currency's minor unit, where they are not two: https://docs.stripe.com/currencies#zero-decimal.
var decimals = decimalsOf(map[int]string{
	0: "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf",
	3: "bhd jod kwd omr tnd",
})

func decimalsOf(byDigits map[int]string) map[string]int {
	out := map[string]int{}
	for _, currency := range currencies {
		out[currency] = 2
	}
	for digits, list := range byDigits {
		for currency := range strings.FieldsSeq(list) {
			out[currency] = digits
		}
	}
	return out
}

func checkMoney(amount int64, currency string) *failure {
	if _, known := decimals[currency]; !known {
		return invalid("", "currency", "Invalid currency: %s. Stripe currently supports these currencies: %s", currency, strings.Join(currencies, ", "))
	}
	switch {
	case amount < 1:
		return invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case amount < minimums[currency]:
		return invalid("amount_too_small", "amount", "Amount must be at least %s", price(minimums[currency], currency))
	case amount > maxAmount:
		return invalid("amount_too_large", "amount", "Amount must be no more than %s", price(maxAmount, currency))
	}
	return nil
}

// price writes an amount for a message: 10.50 usd.
func price(amount int64, currency string) string {
	digits := decimals[currency]
	return fmt.Sprintf("%.*f %s", digits, float64(amount)/math.Pow10(digits), currency)
}
