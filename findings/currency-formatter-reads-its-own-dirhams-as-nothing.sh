#!/bin/sh
# currency-formatter reads a price in dirhams that it has written as 0, and one in dong as a thousandth
#
# Guess (28 November, C 76; beside 74): unformat reads what format has written for the same currency.
# Behaviour:  it does not for 17 of its 163 currencies. Where the symbol contains a full stop, the result
#             is 0 or a fraction of one. For VND, the table of currencies has the same sign for thousands
#             and decimals. No error is raised.
# Versions:   currency-formatter 1.5.9 (npm).
# Matters:    a page that reads its price field back in the Emirates, Egypt, Morocco, Peru or Vietnam
#             sends an amount of zero, or a thousandth of the price.

. "$(dirname "$0")/lib/start.sh"
npm_packages currency-formatter@1.5.9
cat >prices.cjs <<'END'
const { currencies, format, unformat } = require('currency-formatter');

for (const code of ['EUR', 'USD', 'CHF', 'AED', 'EGP', 'MAD', 'KWD', 'PEN', 'VND']) {
  console.log(`${code} 250000 is read as ${unformat(format(250000, { code }), { code })}`);
}
const wrong = currencies.filter(({ code }) => unformat(format(250000, { code }), { code }) !== 250000);
console.log(`${wrong.length} of ${currencies.length}: ${wrong.map(({ code }) => code).join(' ')}`);
END
node prices.cjs >seen
compare <<'END'
EUR 250000 is read as 250000
USD 250000 is read as 250000
CHF 250000 is read as 250000
AED 250000 is read as 0
EGP 250000 is read as 0
MAD 250000 is read as 0
KWD 250000 is read as 0
PEN 250000 is read as 0.25
VND 250000 is read as 250
17 of 163: AED BHD BTN DZD EGP HNL IQD JOD KWD LBP LYD MAD PAB PEN TND VEB VND
END
