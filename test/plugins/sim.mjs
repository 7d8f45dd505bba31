// Kasse and the simulated Stripe, as kasse-dev runs them.
import { readFileSync } from 'node:fs';
import { sign } from './sign.mjs';

const key = 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse';
const stripeKey = `Basic ${Buffer.from('sk_test_kasse_dev:').toString('base64')}`;

async function answer(response) {
  const text = await response.text();
  if (!response.ok && response.status !== 402) throw new Error(`${response.url}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : {};
}

/** Connects to the addresses that kasse-dev has printed. Stripe sends all events to the receiver, too. */
export async function startSim(receiver) {
  const printed = readFileSync('addresses', 'utf8');
  const at = (name) => printed.match(new RegExp(`^${name} +(\\S+)`, 'm'))[1];
  const kasse = (method, path, body) => fetch(at('Kasse') + path, {
    method, body: body && JSON.stringify(body),
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
  }).then(answer);
  const stripe = (path, form = {}) => fetch(`${at('Stripe')}/v1/payment_intents/${path}`, {
    method: 'POST', body: new URLSearchParams(form), headers: { Authorization: stripeKey },
  }).then(answer);
  const control = (path, body = {}) => fetch(at('Control') + path, {
    method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
  }).then(answer);
  await control('/webhooks', { url: receiver, secret: 'whsec_plugins' });
  let refund, dispute;
  return {
    async open(order_id, { amount, capture_method }) {
      const metadata = { session_id: 'payses_plugins' }; // Medusa finds its payments by this id
      const body = { order_id, amount, currency: 'eur', capture_method, metadata };
      return (await kasse('POST', '/v1/payments', body)).payment_intent;
    },
    later: () => control('/clock', { advance: '10s' }),
    drain: () => control('/drain'),
    pay: (id, payment_method) => stripe(`${id}/confirm`, {
      payment_method, return_url: 'https://shop.example/thanks', 'mandate_data[customer_acceptance][type]': 'offline',
    }),
    settle: (id, fail) => control(`/payments/${id}/settle`, { fail }),
    capture: (id, amount) => stripe(`${id}/capture`, { amount_to_capture: amount }),
    cancel: (id) => stripe(`${id}/cancel`),
    refund: async (id, amount) => (refund = (await control(`/payments/${id}/refund`, { amount })).id),
    failRefund: () => control(`/refunds/${refund}`, { status: 'failed' }),
    dispute: async (id) => (dispute = (await control(`/payments/${id}/dispute`, { reason: 'fraudulent' })).id),
    decide: (_, status) => control(`/disputes/${dispute}`, { status }),
    async deliverAgain(event) {
      const { body, headers } = sign(event, 'whsec_kasse_dev_kasse_dev_kasse');
      await fetch(`${at('Kasse')}/webhooks/stripe`, { method: 'POST', body, headers }).then(answer);
    },
    async view(order) {
      const { payment } = await kasse('GET', `/v1/orders/${order}`);
      const { state, amount_received: received, amount_refunded: refunded } = payment;
      const sum = (name, cents) => (cents ? [`${name} ${(cents / 100).toFixed(2)}`] : []);
      return [state, ...sum('received', received), ...sum('refunded', refunded)].join(', ');
    },
  };
}
