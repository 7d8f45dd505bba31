#!/bin/sh
# stripe for Node sends the private fields of a Decimal in currency_options, and reads text there
#
# Guess (28 November, C 15): a Decimal is sent as its text, in each parameter whose type is Decimal.
# Behaviour:  in currency_options, a map from a currency to its price, the SDK sends the two private
#             fields of the object instead of the amount. Its types accept the call. In responses,
#             the same field is a string, and so is a price that is an expanded member of another
#             object, though the types promise a Decimal for both.
# Versions:   stripe 23.1.0, typescript 5.9.3, @types/node 22.20.1 (npm).
# Matters:    a price of less than a cent in a second currency cannot be created: Stripe's
#             API has no such parameters. Code that compares such a price fails at run time.

. "$(dirname "$0")/lib/start.sh"
npm_packages stripe@23.1.0 typescript@5.9.3 @types/node@22.20.1
cat >prices.mts <<'END'
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';

const price = {
  id: 'price_1', object: 'price', unit_amount_decimal: '0.5', currency_options: { usd: { unit_amount_decimal: '0.6' } },
};
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  if (body) console.log(decodeURIComponent(body).replaceAll('&', '\n'));
  const product = { id: 'prod_1', object: 'product', default_price: price };
  const answer = request.url!.startsWith('/v1/products') ? product : price;
  response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
const stripe = new Stripe('sk_test_1', { host: '127.0.0.1', port, protocol: 'http' });
const created: Stripe.Price = await stripe.prices.create({
  currency: 'eur',
  product: 'prod_1',
  unit_amount_decimal: Stripe.Decimal.from('0.5'),
  currency_options: { usd: { unit_amount_decimal: Stripe.Decimal.from('0.6') } },
});
const kind = (value: Stripe.Decimal | null | undefined): string => (typeof value === 'string' ? 'string' : 'Decimal');
console.log(`price: ${kind(created.unit_amount_decimal)}`);
console.log(`price, currency_options.usd: ${kind(created.currency_options!.usd.unit_amount_decimal)}`);
const product = await stripe.products.retrieve('prod_1', { expand: ['default_price'] });
console.log(`product, default_price: ${kind((product.default_price as Stripe.Price).unit_amount_decimal)}`);
server.close();
END
npx tsc --strict --module nodenext --moduleResolution nodenext --target es2022 --skipLibCheck prices.mts \
	>tsc.log || { cat tsc.log; exit 2; }
node prices.mjs >seen
compare <<'END'
currency=eur
product=prod_1
unit_amount_decimal=0.5
currency_options[usd][unit_amount_decimal][_coefficient]=6
currency_options[usd][unit_amount_decimal][_exponent]=-1
price: Decimal
price, currency_options.usd: string
product, default_price: string
END
