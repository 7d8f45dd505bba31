// An order has one PaymentIntent and is charged once, regardless of the page's behaviour.
import assert from 'node:assert/strict';
import { test, describe } from 'node:test';
import { environment, onItsWay, paid, shopper, until } from './harness.mjs';

describe('one payment', { concurrency: 2 }, () => {
  const w = environment();
  const brief = environment({ ORDER_TOKEN_TTL: '2s' }, false);
  const later = environment({}, false); // a test moves the clock of its Stripe

  /** Counts the requests of a page with this method and path. */
  const counting = (page, method, path) => {
    const seen = { count: 0 };
    page.on('request', (request) => (seen.count += request.method() === method && path.test(request.url()) ? 1 : 0));
    return seen;
  };

  test('double clicks', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.goto(w.shop + '/');
    const orders = counting(ada.page, 'POST', /\/api\/orders$/);
    const confirms = counting(ada.page, 'POST', /\/confirm\?/);
    await ada.page.getByRole('button', { name: 'Check out' }).dblclick();
    await ada.payable();
    ada.order = new URL(ada.page.url()).searchParams.get('order');
    await ada.payButton().dblclick();
    await ada.shows(paid);
    assert.deepEqual([orders.count, confirms.count], [1, 1]);
    await w.paidOnce(ada.order);
  });

  test('reloads, before and after the payment', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    for (let i = 0; i < 3; i++) {
      await ada.page.reload();
      await ada.payable();
    }
    await ada.method('SEPA Direct Debit', { iban: 'DE89370400440532013000' });
    await ada.pay();
    await ada.shows(onItsWay);
    await ada.page.reload();
    await ada.shows(onItsWay);
    await w.settle(ada.order);
    await ada.shows(paid);
    await ada.page.reload();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('a second checkout by the same person is the same order until it is paid', async (t) => {
    const ada = await shopper(t, w);
    const first = await ada.checkOut();
    assert.equal(await ada.checkOut(), first);
    await ada.pay();
    await ada.shows(paid);
    assert.notEqual(await ada.checkOut(), first);
    await w.paidOnce(first);
  });

  test('back from the bank, and back after the payment', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('iDEAL');
    await ada.pay();
    await ada.shows('Test bank');
    await ada.page.goBack();
    await ada.payable();
    await ada.choose('Visa');
    await ada.pay();
    await ada.shows(paid);
    await ada.page.goBack();
    await ada.shows(paid);
    assert.match(ada.page.url(), /\/return\?order=/);
    await w.paidOnce(ada.order);
  });

  test('two tabs', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    const other = await ada.tab();
    assert.equal(await other.checkOut(), ada.order);
    await ada.pay();
    await ada.shows(paid);
    await other.pay();
    await other.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('two tabs that pay at once', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    const other = await ada.tab();
    await other.checkOut();
    await Promise.all([ada.pay(), other.pay()]);
    await Promise.all([ada.shows(paid), other.shows(paid)]);
    await w.paidOnce(ada.order);
  });

  test('effects that run twice, as React runs them in development', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    const opens = counting(ada.page, 'POST', /\/v1\/payments$/);
    await ada.page.evaluate(async (id) => {
      const { checkout } = await import('/checkout.js');
      const { createKasse } = await import('/kasse.js');
      const { getConfig, getToken } = await import('/shop.js');
      const kasse = createKasse({ baseUrl: (await getConfig()).kasse, getToken: () => getToken(id) });
      const root = document.querySelector('#view');
      const mount = () => {
        const stop = new AbortController();
        root.replaceChildren(document.querySelector('template#checkout').content.cloneNode(true));
        const go = (path) => location.assign(path);
        void checkout(root, { id, connect: async () => kasse, go, signal: stop.signal });
        return () => stop.abort();
      };
      mount()(); // the effect, its cleanup,
      mount(); // and the effect again
    }, ada.order);
    await ada.payable();
    assert.equal(opens.count, 1);
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('a used customer session is renewed', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.route('**/v1/payments', async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      if (answer.customer_session) {
        const form = new URLSearchParams({ customer_session_client_secret: answer.customer_session.client_secret });
        await fetch(`${w.stripe}/v1/elements/sessions?key=${answer.publishable_key}`, { method: 'POST', body: form });
      }
      await route.fulfill({ response });
    });
    const renewals = counting(ada.page, 'POST', /\/customer-session$/);
    await ada.checkOut();
    assert.equal(renewals.count, 1);
    await ada.choose('Visa •••• 4242');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('a customer session that is expired at Stripe is renewed', async (t) => {
    const ada = await shopper(t, later);
    await ada.page.route('**/v1/payments', async (route) => {
      const response = await route.fetch();
      assert.ok((await response.json()).customer_session, 'the payment has a customer session');
      await later.controlStripe('/clock', { advance: '31m' });
      await route.fulfill({ response });
    }, { times: 1 });
    const renewals = counting(ada.page, 'POST', /\/customer-session$/);
    await ada.checkOut();
    await until('the session is renewed', async () => renewals.count > 0);
    await ada.choose('Visa •••• 4242');
    await ada.pay();
    assert.equal(renewals.count, 1);
    await until('Stripe has the money', async () => {
      const intents = await later.intents(ada.order);
      return intents.every((intent) => intent.status === 'succeeded');
    });
    assert.equal((await later.intents(ada.order)).length, 1);
    await ada.page.goto(`${later.shop}/return?order=${ada.order}`);
  });

  test('a tab that is open for longer than its customer session gets a new one', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.page.clock.setFixedTime(Date.now() + 31 * 60_000);
    const renewed = ada.page.waitForResponse('**/customer-session');
    await ada.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    assert.equal((await renewed).status(), 201);
    await ada.payable();
    await ada.choose('Visa •••• 4242');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('an expired order token is replaced', async (t) => {
    const ada = await shopper(t, brief);
    const token = ada.page.waitForResponse('**/token').then((response) => response.json());
    await ada.checkOut();
    const bearer = `Bearer ${(await token).token}`;
    await until('the token has expired', async () => {
      const response = await fetch(`${brief.kasse}/v1/orders/${ada.order}`, { headers: { Authorization: bearer } });
      return response.status === 401 && (await response.json()).code === 'token_expired';
    });
    const again = ada.page.waitForResponse('**/token');
    await ada.page.evaluate(() => history.back()); // to the cart, in the same page, which still has the old token
    await ada.page.getByRole('button', { name: 'Check out' }).click();
    assert.equal((await again).status(), 201);
    await ada.payable();
    await ada.pay();
    await ada.shows(paid);
    await ada.page.goto(`${brief.shop}/return?order=${ada.order}`);
    await ada.shows(paid);
    await brief.paidOnce(ada.order);
  });

  test('another price and currency in the cart: the last one is paid', async (t) => {
    const ada = await shopper(t, w);
    const id = await ada.checkOut();
    assert.equal(await ada.checkOut({ region: 'United States' }), id);
    await ada.pay();
    await ada.shows(paid);
    const order = await w.order(id);
    assert.deepEqual([order.payment.amount, order.payment.currency, order.payment.fulfillable], [4500, 'usd', true]);
    const statuses = (await w.intents(id)).map((intent) => intent.status).sort();
    assert.deepEqual(statuses, ['canceled', 'succeeded']);
  });
});
