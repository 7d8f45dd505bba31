#!/bin/sh
# use-shopping-cart shows ten or a hundred times the price that it hands to Stripe
#
# Guess (28 November, C 6): the shown price is the one that Stripe charges for the same number.
# Behaviour:  the package divides by 100 if Intl shows a fraction for the currency, and by 1 if not. A
#             price in dinars, which have three decimals, is shown tenfold. One in UGX or ISK, which Stripe
#             takes with two decimals, is shown a hundredfold. Its server part hands the same number to
#             Stripe.
# Versions:   npm: use-shopping-cart 3.2.0, react 18.3.1.
# Matters:    the cart shows 123.400 dinars, and Stripe charges 12.340. A customer who sees the first
#             price does not buy.

. "$(dirname "$0")/lib/start.sh"
npm_packages use-shopping-cart@3.2.0 react@18.3.1
cat >cart.cjs <<'END'
const { formatCurrencyString } = require('use-shopping-cart/core');
const { validateCartItems } = require('use-shopping-cart/utilities');

for (const [currency, price, charged] of [
  ['USD', 1999, '19.99'], ['JPY', 1000, '1000'], ['KWD', 12340, '12.340'], ['BHD', 12340, '12.340'],
  ['UGX', 500000, '5000'], ['ISK', 500000, '5000'],
]) {
  const shown = formatCurrencyString({ value: price, currency, language: 'en' }).replace('\u00a0', ' ');
  const [item] = validateCartItems([{ id: 'sku_1', name: 'x', price, currency }], { sku_1: { quantity: 1 } });
  console.log(`shown ${shown}, sent to Stripe ${item.price_data.unit_amount}, which is ${currency} ${charged}`);
}
END
node cart.cjs >seen
compare <<'END'
shown $19.99, sent to Stripe 1999, which is USD 19.99
shown ¥1,000, sent to Stripe 1000, which is JPY 1000
shown KWD 123.400, sent to Stripe 12340, which is KWD 12.340
shown BHD 123.400, sent to Stripe 12340, which is BHD 12.340
shown UGX 500,000, sent to Stripe 500000, which is UGX 5000
shown ISK 500,000, sent to Stripe 500000, which is ISK 5000
END
