// A project that uses the package: it is type-checked, and never run. The types have to find each
// expected error.
import { createKasse, isKasseError, type PaymentStatus } from '@kasse/client';
import { createKasseServer, verifyEvent } from '@kasse/client/server';

const kasse = createKasse({ baseUrl: 'https://pay.shop.example', getToken: async () => 'token' });
// @ts-expect-error: the address is missing
createKasse({ getToken: () => 'token' });

export async function page(secret: string | undefined): Promise<string | null> {
  const opened = await kasse.open();
  // @ts-expect-error: there is no session without a customer
  opened.customer_session.client_secret;
  for await (const status of kasse.follow(opened.payment_intent, { clientSecret: secret })) {
    if (status.state === 'failed') return status.failure?.decline_code ?? null;
    if (status.next === 'a word of a later version') return status.action?.type ?? null;
  }
  return opened.customer_session?.client_secret ?? null;
}

export function explain(error: unknown): PaymentStatus | string | undefined {
  if (isKasseError(error, 'order_already_paid')) return error.payment;
  if (isKasseError(error, 'cursor_expired')) return error.oldest;
  // @ts-expect-error: there is no such code
  if (isKasseError(error, 'order_allready_paid')) return undefined;
  // @ts-expect-error: an error of any code may have no payment
  if (isKasseError(error)) return error.payment.state;
  return undefined;
}

export async function backend(body: Uint8Array, headers: Headers, secret: string): Promise<void> {
  const server = createKasseServer({ baseUrl: 'http://kasse:8080', serviceKey: 'ksk_' });
  const { payment } = await server.refund('pi_1', { idempotencyKey: 'refund-1', amount: 100 });
  // @ts-expect-error: a refund needs its key
  await server.refund('pi_1', { amount: 100 });
  // @ts-expect-error: an order needs its amount
  await server.create({ order_id: payment.order_id, currency: 'eur' });
  for await (const order of server.orders({ customer: 'cus_1', state: 'paid', createdAfter: new Date(0) }))
    console.log(order.order_id, order.payment?.state);
  const { next } = await server.listOrders({ limit: 100, after: undefined });
  // @ts-expect-error: the last page has no next
  next.length;
  // @ts-expect-error: the query's names are those of the client
  await server.listOrders({ created_after: '2026-11-23T12:00:00Z' });
  for await (const { events, cursor } of server.events({ after: undefined }))
    if (events.length > 0) console.log(cursor);
  const event = await verifyEvent({ body, headers, secret });
  if (event.type === 'order.paid' && event.data.fulfillable) console.log(event.data.metadata['cart']);
}
