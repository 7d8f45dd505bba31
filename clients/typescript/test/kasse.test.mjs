// The client of a page, against a real server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createKasse, isKasseError, KasseError } from '@kasse/client';
import { confirm, newOrder, signToken, startDev } from './harness.mjs';

describe('a page', () => {
  let dev;
  before(async () => (dev = await startDev()));
  after(() => dev.stop());

  const terms = (id) => ({ order_id: id, amount: 4200, currency: 'eur' });
  const pageFor = (id, options) =>
    createKasse({ baseUrl: dev.kasse + '/', getToken: () => signToken(terms(id)), ...options });

  /** A fetch that lists the requests it has sent. */
  function counting() {
    const sent = [];
    return { sent, fetch: (url, init) => (sent.push(`${init.method} ${new URL(url).pathname}`), fetch(url, init)) };
  }

  test('opens one payment, however often it asks', async () => {
    const { sent, fetch } = counting();
    const kasse = pageFor(newOrder(), { fetch });
    const [first, second] = await Promise.all([kasse.open(), kasse.open()]);
    assert.equal(first, second);
    assert.deepEqual(sent, ['POST /v1/payments']);
    const third = await kasse.open();
    assert.equal(third.payment_intent, first.payment_intent);
    assert.match(third.client_secret, /^pi_\w+_secret_/);
    assert.deepEqual([third.state, third.next, third.amount], ['pending', 'pay', 4200]);
  });

  test('renews a token that has expired, once', async () => {
    const id = newOrder();
    const ages = [3600, 0, 3600, 3600];
    let asked = 0;
    const getToken = async () => signToken(terms(id), ages[asked++]);
    const kasse = createKasse({ baseUrl: dev.kasse, getToken });
    const [payment, order] = await Promise.all([kasse.open(), kasse.order(id).catch(() => kasse.order(id))]);
    assert.equal(asked, 2);
    assert.equal(payment.order_id, order.order_id);
    const late = createKasse({ baseUrl: dev.kasse, getToken });
    await assert.rejects(late.open(), (error) => isKasseError(error, 'token_expired') && error.status === 401);
    assert.equal(asked, 4);
  });

  test('gives a session of a customer another secret', async () => {
    const answer = await fetch(`${dev.stripe}/v1/customers`, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk_test_kasse_dev' },
      body: new URLSearchParams({ email: 'ada@example.com' }),
    });
    const { id: customer } = await answer.json();
    const id = newOrder();
    const kasse = createKasse({ baseUrl: dev.kasse, getToken: () => signToken({ ...terms(id), customer }) });
    const opened = await kasse.open();
    const session = await kasse.refreshSession(opened.payment_intent);
    assert.match(session.client_secret, /^cuss_secret_/);
    assert.notEqual(session.client_secret, opened.customer_session.client_secret);
  });

  test('yields each state until the last', async () => {
    const kasse = pageFor(newOrder());
    const opened = await kasse.open();
    const states = [];
    for await (const status of kasse.follow(opened.payment_intent)) {
      if (status.state === states.at(-1)) continue; // another field has changed, such as the card's last digits
      states.push(status.state);
      if (status.state === 'pending') await confirm(dev.stripe, opened, 'pm_card_chargeDeclinedInsufficientFunds');
      if (status.state === 'failed') {
        assert.equal(status.failure.decline_code, 'insufficient_funds');
        await confirm(dev.stripe, opened, 'pm_card_visa');
      }
    }
    assert.deepEqual(states, ['pending', 'failed', 'paid']);
    const order = await kasse.order(opened.order_id);
    assert.equal(order.payment.state, 'paid');
  });

  test('follows by the client secret alone, and without the token learns nothing else', async () => {
    const opened = await pageFor(newOrder()).open();
    const guest = createKasse({ baseUrl: dev.kasse });
    await confirm(dev.stripe, opened, 'pm_card_visa');
    let last;
    for await (last of guest.follow(opened.payment_intent, { clientSecret: opened.client_secret }));
    assert.equal(last.state, 'paid');
    assert.equal('customer' in last, false);
    await assert.rejects(guest.open(), /getToken/);
    await assert.rejects(guest.follow(opened.payment_intent).next(), /getToken/);
  });

  test('names what stands in the way, by code', async () => {
    const id = newOrder();
    const kasse = pageFor(id);
    const opened = await kasse.open();
    await confirm(dev.stripe, opened, 'pm_card_visa');
    for await (const _ of kasse.follow(opened.payment_intent));
    await assert.rejects(kasse.open(), (error) => {
      assert.ok(isKasseError(error, 'order_already_paid', 'payment_in_progress'));
      assert.ok(!isKasseError(error, 'order_closed'));
      assert.deepEqual(
        [error.name, error.status, error.retryable, error.payment.state],
        ['KasseError', 409, false, 'paid'],
      );
      return /paid/.test(error.message) && Boolean(error.requestId);
    });
    await assert.rejects(kasse.order('of-somebody-else'), (error) => isKasseError(error, 'not_found'));
    await assert.rejects(kasse.follow('pi_unknown').next(), (error) => isKasseError(error, 'not_found'));
    await assert.rejects(createKasse({ baseUrl: dev.kasse, getToken: () => 'a.b.c' }).open(), (error) =>
      isKasseError(error, 'unauthenticated'),
    );
  });

  test('distinguishes a server that is away from one that is not Kasse', async () => {
    const getToken = () => signToken(terms(newOrder()));
    const away = createKasse({ baseUrl: 'http://127.0.0.1:1', getToken, maxRetries: 1 });
    await assert.rejects(
      away.open(),
      (error) =>
        isKasseError(error, 'unreachable') &&
        error.retryable &&
        error.status === 0 &&
        error.message.includes('http://127.0.0.1:1'),
    );
    const other = createKasse({ baseUrl: dev.stripe + '/elsewhere', getToken, maxRetries: 0 });
    await assert.rejects(
      other.open(),
      (error) => isKasseError(error, 'unexpected_response') && error.status === 404 && !error.retryable,
    );
    assert.ok(!isKasseError(new Error('no')) && isKasseError(new KasseError({ code: 'unreachable' })));
  });

  test('passes on what getToken throws', async () => {
    const broken = new Error('logged out');
    await assert.rejects(createKasse({ baseUrl: dev.kasse, getToken: () => Promise.reject(broken) }).open(), broken);
  });
});
