// One order with both entries of the package, in any runtime: its page pays, and its backend sees it.
import { createKasse, isKasseError } from '../../dist/index.js';
import { createKasseServer, verifyEvent } from '../../dist/server/index.js';

/** Pays, and returns the states and error codes that it has seen, as one text. */
export async function pay(baseUrl, stripe) {
  const backend = createKasseServer({ baseUrl, serviceKey: 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse' });
  const order = { order_id: `runtime-${crypto.randomUUID()}`, amount: 4200, currency: 'eur' };
  const { token } = await backend.orderToken(order);
  const kasse = createKasse({ baseUrl, getToken: () => token });
  const opened = await kasse.open();
  const seen = [];
  for await (const { state } of kasse.follow(opened.payment_intent)) {
    if (state === seen.at(-1)) continue; // another field has changed
    seen.push(state);
    if (state === 'pending') await confirm(stripe, opened);
  }

  const stop = new AbortController();
  for await (const { events } of backend.events({ signal: stop.signal })) {
    if (events.some(({ type, data }) => type === 'order.paid' && data.order_id === order.order_id)) stop.abort();
  }
  const failed = (error) => seen.push(isKasseError(error) ? error.code : String(error));
  await kasse.order('of-somebody-else').catch(failed);
  await verifyEvent({ body: '{}', headers: {}, secret: `whsec_${btoa('a secret of a test, a secret of a test')}` }).catch(failed);
  return seen.join(' ');
}

function confirm(stripe, { payment_intent, client_secret }) {
  return fetch(`${stripe}/v1/payment_intents/${payment_intent}/confirm`, {
    method: 'POST',
    headers: { Authorization: 'Bearer pk_test_kasse_dev' },
    body: new URLSearchParams({ client_secret, payment_method: 'pm_card_visa', return_url: 'https://shop.example' }),
  });
}
