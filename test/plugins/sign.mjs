import Stripe from 'stripe';

const { webhooks } = new Stripe('sk_test_plugins');

/** Signs an event as Stripe does. */
export function sign(event, secret = 'whsec_plugins') {
  const body = JSON.stringify(event);
  const signature = webhooks.generateTestHeaderString({ payload: body, secret });
  return { body, headers: { 'Content-Type': 'application/json', 'stripe-signature': signature } };
}
