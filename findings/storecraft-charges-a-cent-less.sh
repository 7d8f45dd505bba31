#!/bin/sh
# storecraft's Stripe plug-in charges a cent less than the price
#
# Guess (28 November, 45): the plug-in sends 1999 to Stripe for an order of 19.99 USD.
# Behaviour:  it sends 1998. storecraft calculates the total 19.99. The plug-in multiplies it by 100,
#             which gives 1998.9999999999998, and drops the fraction. Of the hundred prices below 100
#             that end in .99, 21 lose a cent.
# Versions:   @storecraft/payments-stripe 1.4.2 with @storecraft/core 1.4.2 and stripe 16.12.0 (npm).
# Matters:    the order shows 19.99, and the customer pays 19.98. A check of the orders against Stripe's
#             payouts finds a difference each day.

. "$(dirname "$0")/lib/start.sh"
npm_packages @storecraft/payments-stripe@1.4.2 @storecraft/core@1.4.2 stripe@16.12.0
cat >shop.mjs <<'END'
import { createServer } from 'node:http';
import { calculate_pricing } from '@storecraft/core/api/con.pricing.logic.js';
import { Stripe } from '@storecraft/payments-stripe';

const server = createServer(async (request, response) => {
  let form = '';
  for await (const chunk of request) form += chunk;
  const amount = Number(new URLSearchParams(form).get('amount'));
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ id: 'pi_1', object: 'payment_intent', amount }));
}).listen(0, '127.0.0.1', async () => {
  const gateway = new Stripe({
    publishable_key: 'pk_test_1',
    secret_key: 'sk_test_1',
    stripe_config: { host: '127.0.0.1', port: server.address().port, protocol: 'http', telemetry: false },
  });
  const sent = async (price) => {
    const pricing = await calculate_pricing([{ id: 'shirt', qty: 1, price }]);
    return (await gateway.onCheckoutCreate({ id: 'order_1', pricing })).amount;
  };
  for (const price of [10.0, 19.99, 64.1, 8.2]) console.log(`${price.toFixed(2)} is sent as ${await sent(price)}`);
  let less = 0;
  for (let price = 99; price < 10000; price += 100) if ((await sent(price / 100)) === price - 1) less++;
  console.log(`a cent is lost by ${less} of the 100 prices from 0.99 to 99.99`);
  process.exit();
});
END
node shop.mjs >seen
compare <<'END'
10.00 is sent as 1000
19.99 is sent as 1998
64.10 is sent as 6409
8.20 is sent as 819
a cent is lost by 21 of the 100 prices from 0.99 to 99.99
END
