#!/bin/sh
# Medusa's Stripe plug-in charges a hundredth of a price in UGX, and rounds three decimals up
#
# Guess (4):  for 5000 UGX the plug-in sends 500000, since Stripe takes UGX with two decimals
#             (special cases of https://docs.stripe.com/currencies).
# Behaviour:  the plug-in sends 5000, which Stripe reads as UGX 50. It also reads 5000 in an event
#             as 5000, so that the shop does not notice. For 12.341 KWD it sends 12350, which is
#             more than the price. ISK and MGA are right.
# Versions:   @medusajs/payment-stripe 2.21.2 with @medusajs/framework 2.21.2 (npm).
# Matters:    a shop in Uganda gets one per cent of each price, and its books show the full price.

. "$(dirname "$0")/lib/start.sh"
npm_packages @medusajs/payment-stripe@2.21.2 @medusajs/framework@2.21.2 stripe@15.12.0
cat >open.cjs <<'END'
const http = require('http');
const Stripe = require('stripe');
const { default: Provider } = require('@medusajs/payment-stripe/dist/services/stripe-provider');

// A server in Stripe's place prints the amounts that it gets.
const server = http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part)).on('end', () => {
    const form = new URLSearchParams(body);
    console.log(`${form.get('currency')}: Stripe gets ${form.get('amount')}`);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ id: 'pi_1', object: 'payment_intent', status: 'requires_payment_method' }));
  });
});
server.listen(0, '127.0.0.1', async () => {
  const provider = new Provider({}, { apiKey: 'sk_test_1', webhookSecret: 'whsec_1' });
  provider.stripe_ = new Stripe('sk_test_1', { host: '127.0.0.1', port: server.address().port, protocol: 'http' });
  for (const [amount, currency_code] of [[5000, 'ugx'], [500, 'isk'], [5000, 'mga'], [12.341, 'kwd']]) {
    await provider.initiatePayment({ amount, currency_code, data: { session_id: 'payses_1' }, context: {} });
  }
  const paid = { currency: 'ugx', amount: 500000, amount_received: 500000, metadata: { session_id: 'payses_1' } };
  const rawData = JSON.stringify({ type: 'payment_intent.succeeded', data: { object: paid } });
  const signature = provider.stripe_.webhooks.generateTestHeaderString({ payload: rawData, secret: 'whsec_1' });
  const event = await provider.getWebhookActionAndData({ rawData, headers: { 'stripe-signature': signature } });
  console.log(`an event of UGX 5000 (500000) is read as ${event.data.amount}`);
  server.close();
});
END
node open.cjs >seen
compare <<'END'
ugx: Stripe gets 5000
isk: Stripe gets 50000
mga: Stripe gets 5000
kwd: Stripe gets 12350
an event of UGX 5000 (500000) is read as 500000
END
