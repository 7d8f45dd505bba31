// The sync engine writes Stripe's objects into PostgreSQL. Here PGlite is the database.
import { readdirSync, readFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { StripeSync } from '@supabase/stripe-sync-engine';
import { sign } from './sign.mjs';

const migrations = 'node_modules/@supabase/stripe-sync-engine/dist/migrations';

export async function startSyncEngine() {
  const database = new PGlite();
  await database.exec('create schema stripe; set search_path to stripe, public');
  for (const file of readdirSync(migrations).sort()) await database.exec(readFileSync(`${migrations}/${file}`, 'utf8'));
  const engine = new StripeSync({
    schema: 'stripe', stripeSecretKey: 'sk_test_plugins', stripeWebhookSecret: 'whsec_plugins', poolConfig: {},
  });
  engine.postgresClient.pool = { query: (text, values) => database.query(text.text ?? text, text.values ?? values) };
  const rows = async (table, column, payment) =>
    (await database.query(`select * from stripe.${table} where ${column} = $1 order by created`, [payment])).rows;
  return {
    name: 'stripe-sync-engine 0.48.5, rows',
    async deliver(event) {
      const { body, headers } = sign(event);
      return engine.processWebhook(Buffer.from(body), headers['stripe-signature']).then(() => 200, () => 500);
    },
    async state(payment) {
      const euros = (cents) => (cents / 100).toFixed(2);
      const [{ status, amount_received: received }] = await rows('payment_intents', 'id', payment);
      const refunds = await rows('refunds', 'payment_intent', payment);
      const disputes = await rows('disputes', 'payment_intent', payment);
      return [
        status,
        ...(Number(received) ? [`received ${euros(received)}`] : []),
        ...refunds.map((row) => `refund ${row.status} ${euros(row.amount)}`),
        ...disputes.map((row) => `dispute ${row.status}`),
      ].join(', ');
    },
  };
}
