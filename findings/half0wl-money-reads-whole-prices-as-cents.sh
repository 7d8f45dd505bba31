#!/bin/sh
# @half0wl/money reads the price "19.00" as 19 cents
#
# Guess (28 November, 62): fromString('USD', …) reads each price with two decimals as its number of cents,
#             as the package documents for '10.00'.
# Behaviour:  the package reads a price without cents as a number of cents: "19.00" becomes 0.19, and
#             "19.99" becomes 19.99. It returns no error. fromFloat throws at 15.00, which is an example
#             of its documentation, too.
# Versions:   @half0wl/money 1.0.2 (npm).
# Matters:    a shop reads its prices as text, from a file or a form. The customer pays one per cent of a
#             price without cents.

. "$(dirname "$0")/lib/start.sh"
npm_packages @half0wl/money@1.0.2
cat >prices.cjs <<'END'
const { Money } = require('@half0wl/money');

for (const price of ['19.99', '19.01', '19.00', '10.00', '2000.00']) {
  const money = Money.fromString('USD', price);
  console.log(`${price} is read as ${money.getAmount()} cents, ${money.toLocaleString()}`);
}
let wrong = 0;
for (let cents = 1; cents <= 200000; cents++) {
  if (Money.fromString('USD', (cents / 100).toFixed(2)).getAmount() !== cents) wrong++;
}
console.log(`${wrong} of the prices from 0.01 to 2000.00 are wrong`);
try {
  console.log(`fromFloat reads 15.00 as ${Money.fromFloat('USD', 15.0).getAmount()} cents`);
} catch {
  console.log('fromFloat throws at 15.00');
}
END
LANG=en_US.UTF-8 node prices.cjs >seen
compare <<'END'
19.99 is read as 1999 cents, $19.99
19.01 is read as 1901 cents, $19.01
19.00 is read as 19 cents, $0.19
10.00 is read as 10 cents, $0.10
2000.00 is read as 2000 cents, $20.00
2000 of the prices from 0.01 to 2000.00 are wrong
fromFloat throws at 15.00
END
