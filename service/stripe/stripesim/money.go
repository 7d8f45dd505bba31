package stripesim

import (
	"fmt"
	"math"
	"strings"
)

// maximum is the largest amount of a PaymentIntent in minor units: eight digits, except for the currencies of
// maximums. Source: https://docs.stripe.com/api/payment_intents/create#create_payment_intent-amount
const maximum = 99999999

// maximums are the currencies with more than eight digits, for any payment method. Source:
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
var maximums = map[string]int64{"cop": 9999999999, "idr": 999999999999, "inr": 999999999}

// minimums are the smallest amounts of that page, in minor units. Currencies that it does not name have none
// here, and the minimum of an account's settlement currency is not converted.
var minimums = map[string]int64{
	"usd": 50, "aed": 200, "ars": 50, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "cop": 50, "czk": 1500, "dkk": 250,
	"eur": 50, "gbp": 30,
	"hkd": 400, "huf": 17500, "idr": 50, "ils": 50, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000, "myr": 200,
	"nok": 300,
	"nzd": 50,
	"php": 50, "pln": 200, "ron": 200, "rub": 50, "sek": 300, "sgd": 50, "thb": 1000, "zar": 50,
}

// currencies are those Stripe presents prices in:
// https://docs.stripe.com/currencies#presentment-currencies.
var currencies = strings.Fields(`
	usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
	cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd
	hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad
	mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln
	pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs
	uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw`)

// decimals are the digits of a currency's minor unit at Stripe. They differ from ISO 4217 for ISK
// and UGX, which have two here, and for MGA, which has none. Source:
// https://docs.stripe.com/currencies#zero-decimal and #special-cases
var decimals = decimalsOf(map[int]string{
	0: "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf",
	3: "bhd jod kwd omr tnd",
})

// wholeUnits are the currencies whose amounts have two decimals that must both be 0.
// Source: https://docs.stripe.com/currencies#special-cases
var wholeUnits = map[string]bool{"isk": true, "ugx": true}

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

// step is the unit of which every amount of a currency must be a multiple, in minor units.
func step(currency string) int64 {
	switch {
	case wholeUnits[currency]:
		return 100
	case decimals[currency] == 3:
		return 10
	}
	return 1
}

// checkUnit refuses an amount that its currency does not have. Stripe's page on ISK names the code; for the
// other currencies it is assumed. Source:
// https://support.stripe.com/questions/deprecation-of-fractional-isk-charges-and-refunds
func checkUnit(amount int64, currency, param string) *failure {
	unit := step(currency)
	if amount%unit == 0 {
		return nil
	}
	nearest := max(unit, amount-amount%unit)
	return invalid("invalid_charge_amount_no_decimal_compatible", param, textUnit, amount, currency, unit, nearest)
}

// checkMoney refuses amounts and currencies that no PaymentIntent can have.
func checkMoney(amount int64, currency string) *failure {
	if _, known := decimals[currency]; !known {
		return invalid("", "currency", "Invalid currency: %s. Stripe currently supports these currencies: %s",
			currency, strings.Join(currencies, ", "))
	}
	most := either(maximums[currency], maximum)
	switch {
	case amount < 1:
		return invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case amount < minimums[currency]:
		return invalid("amount_too_small", "amount", "Amount must be at least %s", price(minimums[currency], currency))
	case amount > most:
		return invalid("amount_too_large", "amount", "Amount must be no more than %s", price(most, currency))
	}
	return checkUnit(amount, currency, "amount")
}

// price writes an amount for a message: 10.50 usd.
func price(amount int64, currency string) string {
	digits := decimals[currency]
	return fmt.Sprintf("%.*f %s", digits, float64(amount)/math.Pow10(digits), currency)
}
