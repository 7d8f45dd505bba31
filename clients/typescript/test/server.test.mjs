// The client of a backend: calls, the feed, and pushed events.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { createKasse, isKasseError } from '@kasse/client';
import { createKasseServer, verifyEvent } from '@kasse/client/server';
import { confirm, line, newOrder, serviceKey, startDev, until } from './harness.mjs';

const secrets = ['whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3', 'whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xk'];

describe('a backend', () => {
  let dev, kasse, endpoint;
  const pushed = [];
  before(async () => {
    endpoint = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      pushed.push({ body, headers: request.headers });
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => endpoint.once('listening', resolve));
    const url = `http://127.0.0.1:${endpoint.address().port}/kasse`;
    dev = await startDev({ EVENT_ENDPOINTS: `${url}=${secrets[1]}`, EVENT_ALLOW_PRIVATE: 'true' });
    kasse = createKasseServer({ baseUrl: dev.kasse, serviceKey });
  });
  after(() => (endpoint.close(), dev.stop()));

  const terms = (more) => ({ order_id: newOrder(), amount: 4200, currency: 'eur', ...more });
  const reaches = (payment, state) =>
    until(state, async () => {
      const view = await kasse.payment(payment);
      return view.state === state && view;
    });
  async function paid(more) {
    const opened = await kasse.create(terms(more));
    await confirm(dev.stripe, opened, 'pm_card_visa');
    return reaches(opened.payment_intent, more?.capture_method === 'manual' ? 'authorized' : 'paid');
  }

  test('opens an order, and mints the token that its page pays with', async () => {
    const order = terms({ metadata: { cart: 'c-1' } });
    const { token, rev } = await kasse.orderToken(order);
    assert.ok(rev > 0);
    const opened = await createKasse({ baseUrl: dev.kasse, getToken: () => token }).open();
    assert.equal((await kasse.create(order)).payment_intent, opened.payment_intent);
    assert.equal((await kasse.order(order.order_id)).payment.metadata.cart, 'c-1');
  });

  test('mints a token that only reads', async () => {
    const opened = await kasse.create(terms());
    const { token } = await kasse.orderToken({ order_id: opened.order_id });
    const page = createKasse({ baseUrl: dev.kasse, getToken: () => token });
    assert.equal((await page.order(opened.order_id)).payment.amount, opened.amount);
    await assert.rejects(page.open(), (error) => isKasseError(error, 'insufficient_scope'));
  });

  test('changes the amount of the newest version only', async () => {
    const opened = await kasse.create(terms());
    const changed = await kasse.changeAmount(opened.payment_intent, { amount: 5000, version: opened.version });
    assert.equal(changed.amount, 5000);
    await assert.rejects(kasse.changeAmount(opened.payment_intent, { amount: 1, version: opened.version }), (error) =>
      isKasseError(error, 'version_mismatch'),
    );
  });

  test('cancels, and the order is closed', async () => {
    const opened = await kasse.create(terms());
    assert.equal((await kasse.cancel(opened.payment_intent, { reason: 'requested_by_customer' })).state, 'canceled');
    assert.equal((await kasse.order(opened.order_id)).closed, true);
  });

  test('captures a part', async () => {
    const { payment_intent } = await paid({ capture_method: 'manual' });
    const captured = await kasse.capture(payment_intent, { amount: 4000 });
    assert.deepEqual([captured.state, captured.amount_received], ['paid', 4000]);
  });

  test('refunds once under a key', async () => {
    const { payment_intent } = await paid();
    const refund = { idempotencyKey: `refund-${payment_intent}`, amount: 1000, reason: 'requested_by_customer' };
    const first = await kasse.refund(payment_intent, refund);
    const again = await kasse.refund(payment_intent, refund);
    assert.equal(again.refund.id, first.refund.id);
    assert.deepEqual(
      (await kasse.refunds(payment_intent)).map(({ amount }) => amount),
      [1000],
    );
    await reaches(payment_intent, 'partially_refunded');
    const rest = kasse.refund(payment_intent, { idempotencyKey: `rest-${payment_intent}`, amount: 9999 });
    await assert.rejects(rest, (error) => isKasseError(error, 'refund_exceeds_payment') && !error.retryable);
  });

  test('renews a session, with features of its own', async () => {
    const answer = await fetch(`${dev.stripe}/v1/customers`, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk_test_kasse_dev' },
    });
    const opened = await kasse.create(terms({ customer: (await answer.json()).id }));
    const session = await kasse.refreshSession(opened.payment_intent, { customerSession: { remove: true } });
    assert.notEqual(session.client_secret, opened.customer_session.client_secret);
  });

  test('reads the feed from the stored cursor, also after a lost connection', async (t) => {
    const network = await line(dev.kasse);
    t.after(() => network.close());
    const stop = new AbortController();
    const troubles = [];
    let stored; // the cursor, which a backend keeps in its database
    for await (const { cursor } of kasse.events({ after: 'latest' })) {
      stored = cursor;
      break;
    }
    const first = await paid();
    const ids = [];
    const backend = createKasseServer({ baseUrl: network.url, serviceKey });
    let second;
    for await (const { events, cursor } of backend.events({
      after: stored,
      limit: 1,
      signal: stop.signal,
      onTrouble: (error) => troubles.push(error?.code),
    })) {
      ids.push(...events.map(({ type, data }) => `${type} ${data.payment_intent}`));
      stored = cursor;
      if (ids.length === 1) {
        network.cut();
        second = paid().finally(() => network.mend());
      }
      if (ids.length === 2) stop.abort();
    }
    assert.deepEqual(ids, [`order.paid ${first.payment_intent}`, `order.paid ${(await second).payment_intent}`]);
    assert.equal(troubles[0], 'unreachable');
    assert.equal(troubles.at(-1), undefined);
  });

  test('throws for a cursor that is too old', async () => {
    await assert.rejects(kasse.events({ after: 'k1.1-0' }).next(), (error) =>
      isKasseError(error, 'cursor_expired', 'invalid_request'),
    );
  });

  test('verifies a pushed event while the secret is rotated', async () => {
    const view = await paid();
    const { body, headers } = await until('the push', () =>
      pushed.find(({ body }) => body.includes(view.payment_intent)),
    );
    const event = await verifyEvent({ body, headers, secret: secrets });
    assert.deepEqual(
      [event.type, event.data.order_id, event.truncated, event.id],
      ['order.paid', view.order_id, false, headers['webhook-id']],
    );
    const bytes = new TextEncoder().encode(body);
    assert.equal(
      (await verifyEvent({ body: bytes, headers: new Headers(headers), secret: secrets[1] })).id,
      event.id,
    );

    const old = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 3600) };
    for (const forged of [
      { body: body.replace('4200', '1') },
      { secret: secrets[0] },
      { headers: {} },
      { headers: old },
    ]) {
      await assert.rejects(
        verifyEvent({ body, headers, secret: secrets, ...forged }),
        (error) => isKasseError(error, 'invalid_signature') && error.status === 400,
      );
    }
    await assert.rejects(verifyEvent({ body, headers, secret: '' }), /empty/);
  });

  test('names a missing option', () => {
    assert.throws(() => createKasseServer({ serviceKey }), /createKasseServer needs baseUrl/);
    assert.throws(() => createKasseServer({ baseUrl: dev.kasse }), /createKasseServer needs serviceKey/);
    assert.throws(() => createKasse({ getToken: () => 'a.b.c' }), /createKasse needs baseUrl/);
  });
});
