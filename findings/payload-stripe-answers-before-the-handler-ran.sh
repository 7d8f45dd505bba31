#!/bin/sh
# Payload's Stripe plug-in acknowledges an event before the shop's handler has run
#
# Guess (8):  the route waits for the shop's handler, and answers 5xx when the handler fails, so
#             that Stripe delivers again.
# Behaviour:  the route answers 200 while the handler still runs. The handler's result has no effect
#             on the answer. A comment in the plug-in's source states that this is on purpose.
# Versions:   @payloadcms/plugin-stripe 3.90.2 with payload 3.90.2 and stripe 10.17.0 (npm).
# Matters:    the event is lost for good when the database is away for a second, or when a deploy
#             ends the process: Stripe has got its 200. The order stays unpaid although the customer
#             has paid.

. "$(dirname "$0")/lib/start.sh"
npm_packages @payloadcms/plugin-stripe@3.90.2 payload@3.90.2
cat >deliver.mjs <<'END'
import Stripe from 'stripe';
import { stripeWebhooks } from './node_modules/@payloadcms/plugin-stripe/dist/routes/webhooks.js';

let began, finish, stored = false;
const running = new Promise((resolve) => (began = resolve));
const database = new Promise((resolve) => (finish = resolve));
const paid = async () => {
  began();
  await database;
  stored = true;
};

const type = 'payment_intent.succeeded';
const body = JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object: { id: 'pi_1' } } });
const signature = new Stripe('sk_test_1').webhooks.generateTestHeaderString({ payload: body, secret: 'whsec_1' });
const answer = await stripeWebhooks({
  config: {},
  pluginConfig: { stripeSecretKey: 'sk_test_1', stripeWebhooksEndpointSecret: 'whsec_1', webhooks: { [type]: paid } },
  req: {
    text: async () => body, headers: new Headers({ 'stripe-signature': signature }), payload: { logger: console },
  },
});
console.log(`answered ${answer.status}, stored: ${stored}`);
await running;
console.log(`the handler runs, stored: ${stored}`);
finish();
await new Promise(setImmediate);
console.log(`the database is back, stored: ${stored}`);
END
node deliver.mjs >seen
compare <<'END'
answered 200, stored: false
the handler runs, stored: false
the database is back, stored: true
END
