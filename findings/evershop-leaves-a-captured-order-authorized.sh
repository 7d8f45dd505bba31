#!/bin/sh
# EverShop leaves an order authorized, with its full amount, after a capture at Stripe
#
# Expected (28 November, C 17; seen before a guess was written): payment_intent.succeeded marks the
#             order as captured, with the amount that was received.
# Behaviour:  the event of the authorization stores a transaction. When a transaction exists, the
#             event of the capture is answered as received, and changes neither the state nor the
#             amount. Without an authorization before it, the same event marks the order as captured.
# Versions:   npm: @evershop/evershop 2.2.1 and postgres-query-builder 2.1.0, with stripe 21.0.1.
#             PostgreSQL is played by @electric-sql/pglite 0.5.14, with the columns that the handler
#             uses.
# Matters:    the merchant captures 40 of 100 euros in Stripe's Dashboard. The shop shows 100 euros as
#             authorized for good, so that the order is not shipped, or is cancelled after all.

. "$(dirname "$0")/lib/start.sh"
npm_packages @evershop/postgres-query-builder@2.1.0 @electric-sql/pglite@0.5.14 stripe@21.0.1 config@3.3.12 \
	zero-decimal-currencies@1.6.0 react-fast-compare@3.2.2 winston@3.19.0

# The package alone is enough for its webhook: its other dependencies take minutes to install.
npm pack --silent @evershop/evershop@2.2.1 >pack.log 2>&1 || { cat pack.log; exit 2; }
tar -xzf evershop-evershop-2.2.1.tgz
rm -rf node_modules/pg
mkdir node_modules/pg
cat >node_modules/pg/index.js <<'END'
const { PGlite } = require('@electric-sql/pglite');

const database = new PGlite();
const query = (text, values) => database.query(text.text ?? text, text.values ?? values);
exports.database = database;
exports.Pool = class Pool {
  query(...parameters) { return query(...parameters); }
  async connect() { return { query, release() {} }; }
};
END
cat >deliver.mjs <<'END'
import Stripe from 'stripe';
import { database } from 'pg';
import webhook from './package/dist/modules/stripe/api/stripeWebHook/[bodyJson]webhook.js';

await database.exec(`
  CREATE TABLE "order" (order_id serial PRIMARY KEY, uuid text, payment_status text);
  CREATE TABLE payment_transaction (
    payment_transaction_id serial PRIMARY KEY, payment_transaction_order_id int, transaction_id text,
    transaction_type text, amount decimal(12,4), payment_action text,
    UNIQUE (payment_transaction_order_id, transaction_id));
  CREATE TABLE order_activity (
    order_activity_id serial PRIMARY KEY, order_activity_order_id int, comment text, customer_notified boolean);
  CREATE TABLE event (event_id serial PRIMARY KEY, name text, data json);
  INSERT INTO "order" (uuid, payment_status) VALUES ('direct', 'pending'), ('authorized', 'pending');
`);
const stripe = new Stripe('sk_test_1');
const deliver = async (type, order, intent) => {
  const object = {
    id: `pi_${order}`, object: 'payment_intent', amount: 10000, currency: 'eur', metadata: { order_id: order },
    ...intent,
  };
  const payload = JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object } });
  const signature = stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_1' });
  let answer;
  const response = {
    json: (body) => (answer = JSON.stringify(body)),
    status: (status) => ({ send: (text) => (answer = `${status} ${text}`) }),
  };
  await webhook({ headers: { 'stripe-signature': signature }, body: payload }, response);
  const { rows: [row] } = await database.query(`
    SELECT payment_status, amount FROM "order" JOIN payment_transaction ON order_id = payment_transaction_order_id
    WHERE uuid = $1`, [order]);
  console.log(`order ${order}, ${type}: ${answer}, ${row.payment_status}, ${row.amount}`);
};
await deliver('payment_intent.succeeded', 'direct', {
  status: 'succeeded', capture_method: 'automatic', amount_received: 10000,
});
await deliver('payment_intent.amount_capturable_updated', 'authorized', {
  status: 'requires_capture', capture_method: 'manual', amount_capturable: 10000,
});
await deliver('payment_intent.succeeded', 'authorized', {
  status: 'succeeded', capture_method: 'manual', amount_received: 4000,
});
END
names='"stripe_authorized":{"name":"Authorized"},"stripe_captured":{"name":"Captured"}'
export NODE_CONFIG="{\"system\":{\"stripe\":{\"secretKey\":\"sk_test_1\",\"endpointSecret\":\"whsec_1\"}},
	\"oms\":{\"order\":{\"paymentStatus\":{$names}}}}"
node deliver.mjs >seen
compare <<'END'
order direct, payment_intent.succeeded: {"received":true}, stripe_captured, 100.0000
order authorized, payment_intent.amount_capturable_updated: {"received":true}, stripe_authorized, 100.0000
order authorized, payment_intent.succeeded: {"received":true}, stripe_authorized, 100.0000
END
