// Convex's component keeps a table of payments. convex-test replaces its database.
import { anyApi } from 'convex/server';
import { convexTest } from 'convex-test';
import { registerRoutes } from '@convex-dev/stripe';
import { sign } from './sign.mjs';

const component = './node_modules/@convex-dev/stripe/dist/component';

export async function startConvex() {
  const { default: schema } = await import(`${component}/schema.js`);
  const test = convexTest(schema, {
    './convex/private.js': () => import(`${component}/private.js`),
    './convex/_generated/api.js': () => import(`${component}/_generated/api.js`),
  });
  const context = { runMutation: (mutation, values) => test.mutation(mutation, values) };
  let route;
  const secrets = { STRIPE_WEBHOOK_SECRET: 'whsec_plugins', STRIPE_SECRET_KEY: 'sk_test_plugins' };
  registerRoutes({ route: (added) => (route = added) }, anyApi, secrets);
  return {
    name: 'Convex 0.1.6, row',
    async deliver(event) {
      const log = console.log;
      console.log = () => {}; // the component prints each unknown type
      const request = new Request('https://shop.example/stripe/webhook', { method: 'POST', ...sign(event) });
      const answer = await route.handler._handler(context, request);
      console.log = log;
      return answer.status;
    },
    async state(payment) {
      const rows = await test.run((ctx) => ctx.db.query('payments').collect());
      const row = rows.find((stored) => stored.stripePaymentIntentId === payment);
      return row ? `${row.status} ${(row.amount / 100).toFixed(2)}` : 'none';
    },
  };
}
