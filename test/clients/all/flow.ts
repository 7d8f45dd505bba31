// The payment that every client makes. The backend opens it, the customer pays at the simulated Stripe, and the page
// polls with the client secret until it is paid. Then a page opens an order with a token and an empty body. A client
// that filled in defaults would contradict the token there.

type Terms = { order_id: string; amount: number; currency: string };

/** The calls of a generated client. Each throws unless the response is a 2xx. */
export interface Client {
  create(
    credential: string, body: Terms | Record<string, never>,
  ): Promise<{ payment_intent: string; client_secret: string }>;
  read(credential: string, payment: string): Promise<{ state: string }>;
  mint(credential: string, body: Terms & { capture_method: 'manual' }): Promise<{ token: string }>;
}

const key = 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse';

/** The addresses of Kasse and of Stripe, from the command line. */
export function addresses(): { kasse: string; stripe: string } {
  const [kasse, stripe] = process.argv.slice(2);
  if (!kasse || !stripe) throw new Error('usage: node CLIENT.js KASSE STRIPE');
  return { kasse, stripe };
}

async function confirm(stripe: string, payment: string, secret: string) {
  const form = { client_secret: secret, payment_method: 'pm_card_visa', return_url: 'https://shop.example/thanks' };
  const answer = await fetch(`${stripe}/v1/payment_intents/${payment}/confirm`, {
    method: 'POST',
    headers: { Authorization: 'Bearer pk_test_kasse_dev' },
    body: new URLSearchParams(form),
  });
  if (!answer.ok) throw new Error(`Stripe answered with ${answer.status}`);
}

/** Makes the payment. It makes far more tries than needed, since the webhook arrives within a second. */
export async function pay(name: string, client: Client) {
  const { stripe } = addresses();
  const order = `${name}-${process.pid}`;
  const opened = await client.create(key, { order_id: order, amount: 4200, currency: 'eur' });
  await confirm(stripe, opened.payment_intent, opened.client_secret);
  let state = '';
  for (let tries = 0; tries < 600 && state !== 'paid'; tries++) {
    ({ state } = await client.read(opened.client_secret, opened.payment_intent));
    if (state !== 'paid') await new Promise((go) => setTimeout(go, 100));
  }
  if (state !== 'paid') throw new Error(`the payment is ${state}, want paid`);

  const terms = { order_id: `${order}-token`, amount: 100, currency: 'eur' };
  const { token } = await client.mint(key, { ...terms, capture_method: 'manual' });
  await client.create(token, {});
  console.log(`ok  ${name}: ${opened.payment_intent} is paid`);
}
