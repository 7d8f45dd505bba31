#!/bin/sh
# Vendure's Stripe plug-in charges a different amount after an update of Node
#
# Guess (41): the amount that the plug-in sends to Stripe for HUF 1000.00 does not depend on the
#             version of Node.
# Behaviour:  the plug-in asks Intl.NumberFormat whether a currency has a fraction. The answer comes
#             from the CLDR data of the ICU in Node. With ICU 77, HUF, COP and IDR have a fraction
#             and RSD has none; with ICU 78 it is the reverse. For a currency without a fraction the
#             plug-in divides the amount by 100, though Stripe wants two decimals for all four. It
#             always divides ISK and UGX. For currencies with three decimals it sends a tenth.
# Versions:   npm: @vendure/payments-plugin 3.5.6; node 24.12.0 (ICU 77.1) and 26.10.0 (ICU 78.3).
#             Node 20.20.2 of npm has ICU 78.2 already.
# Matters:    after an update of the runtime, a shop in Hungary, Colombia or Indonesia gets one per
#             cent of each price. The webhook multiplies by 100 again, so that the order counts as
#             paid in full.

. "$(dirname "$0")/lib/start.sh"
npm_packages @vendure/payments-plugin@3.5.6 node-24@npm:node@24.12.0 node-26@npm:node@26.10.0
cat >amounts.cjs <<'END'
const {
  getAmountInStripeMinorUnits: amount, getAmountFromStripeMinorUnits: readBack,
} = require('@vendure/payments-plugin/package/stripe/stripe-utils');

// Vendure keeps money in hundredths: 1000.00 of each.
const sent = ['EUR', 'HUF', 'COP', 'IDR', 'RSD', 'ISK', 'UGX', 'KWD', 'JPY'].map((currencyCode) =>
  `${currencyCode} ${amount({ currencyCode, totalWithTax: 100000 })}`);
console.log(`node ${process.versions.node}: ${sent.join(' ')}`);
const huf = { currencyCode: 'HUF', totalWithTax: 100000 };
console.log(`an event of that amount of HUF is read as ${readBack(huf, amount(huf))}`);
END
for version in 24 26; do "node_modules/node-$version/bin/node" amounts.cjs; done >seen
echo "Stripe wants:  EUR, HUF, COP, IDR, RSD, ISK, UGX 100000, KWD 1000000, JPY 1000"
compare <<'END'
node 24.12.0: EUR 100000 HUF 100000 COP 100000 IDR 100000 RSD 1000 ISK 1000 UGX 1000 KWD 100000 JPY 1000
an event of that amount of HUF is read as 100000
node 26.10.0: EUR 100000 HUF 1000 COP 1000 IDR 1000 RSD 100000 ISK 1000 UGX 1000 KWD 100000 JPY 1000
an event of that amount of HUF is read as 100000
END
