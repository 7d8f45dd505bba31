// Bad networks, forged results, and requests of other origins and people.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test, describe } from 'node:test';
import { cards, environment, onItsWay, paid, patience, shopper, until } from './harness.mjs';

describe('trouble', { concurrency: 2 }, () => {
  const w = environment();

  test('offline at the cart, then online', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.goto(w.shop + '/');
    await ada.context.setOffline(true);
    await ada.page.getByRole('button', { name: 'Check out' }).click();
    await ada.showsError('Check your connection');
    await ada.context.setOffline(false);
    await ada.page.getByRole('button', { name: 'Check out' }).click();
    await ada.payable();
  });

  test('the payment cannot be opened: the page shows the error, and tries again on request', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.route('**/v1/payments', (route) => route.abort());
    await ada.toPayment();
    await ada.showsError('Check your connection');
    await ada.page.unroute('**/v1/payments');
    await ada.page.getByRole('button', { name: 'Try again' }).click();
    await ada.payable();
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('the response to the confirmation is lost: paying again does not charge twice', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.page.route('**/confirm?*', async (route) => {
      await route.fetch();
      await route.abort();
    }, { times: 1 });
    await ada.pay();
    await ada.showsError('Check your connection');
    await w.reaches(ada.order, 'paid');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('offline while the debit is processed', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('SEPA Direct Debit', { iban: 'DE89370400440532013000' });
    await ada.pay();
    await ada.shows(onItsWay);
    await ada.context.setOffline(true);
    await ada.page.getByText('No connection at the moment').waitFor();
    await w.settle(ada.order);
    await w.reaches(ada.order, 'paid');
    await ada.context.setOffline(false);
    await ada.shows(paid);
    assert.equal(await ada.page.getByText('No connection at the moment').count(), 0);
  });

  test('a slow network: the customer cannot pay before the form is complete', async (t) => {
    const ada = await shopper(t, w);
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await ada.page.route('**/v1/elements/sessions?*', async (route) => (await held, route.continue()));
    await ada.toPayment();
    const loading = ada.page.getByRole('button', { name: 'Loading' });
    await loading.waitFor();
    await ada.page.locator('.skeleton').waitFor();
    await loading.click({ force: true });
    await loading.press('Enter');
    release();
    await ada.payable();
    assert.equal((await w.intents(ada.order))[0].status, 'requires_payment_method');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('a slow mobile network', async (t) => {
    const ada = await shopper(t, w);
    const session = await ada.context.newCDPSession(ada.page);
    await session.send('Network.emulateNetworkConditions', {
      offline: false, latency: 300, downloadThroughput: 50_000, uploadThroughput: 25_000,
    });
    await ada.checkOut();
    await ada.method('iDEAL');
    await ada.pay();
    await ada.bank('Authorize');
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('the browser refuses requests of another origin', async (t) => {
    const other = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html').end('<title>Another origin</title>');
    });
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    t.after(() => other.close());
    const ada = await shopper(t, w);
    const token = ada.page.waitForResponse('**/token').then((response) => response.json());
    await ada.checkOut();
    const call = (page, bearer) => page.evaluate(async ([url, key]) => {
      const answers = {};
      for (const method of ['GET', 'POST']) {
        const to = method === 'GET' ? url : url.replace(/orders.*/, 'payments');
        const headers = { Authorization: `Bearer ${key}` };
        answers[method] = await fetch(to, { method, headers }).then((answer) => answer.ok, String);
      }
      return answers;
    }, [`${w.kasse}/v1/orders/${ada.order}`, bearer]);
    const { token: bearer } = await token;
    assert.deepEqual(await call(ada.page, bearer), { GET: true, POST: true });
    const elsewhere = await ada.context.newPage();
    await elsewhere.goto(`http://127.0.0.1:${other.address().port}/`);
    const refused = 'TypeError: Failed to fetch';
    assert.deepEqual(await call(elsewhere, bearer), { GET: refused, POST: refused });
    const post = (url) => fetch(url, { method: 'POST' }).then(() => true, String);
    assert.equal(await elsewhere.evaluate(post, `${w.shop}/api/orders/${ada.order}/token`), refused);
  });

  test('another person gets no token for an order', async (t) => {
    const [ada, eve] = [await shopper(t, w), await shopper(t, w)];
    await ada.checkOut();
    await eve.page.goto(w.shop + '/');
    const requestToken = async (id) => (await fetch(`/api/orders/${id}/token`, { method: 'POST' })).status;
    assert.equal(await eve.page.evaluate(requestToken, ada.order), 404);
  });

  test('a page that forges the result or the price changes nothing', async (t) => {
    const eve = await shopper(t, w);
    const token = eve.page.waitForResponse('**/token').then((response) => response.json());
    await eve.checkOut();
    const [intent] = await w.intents(eve.order);
    const arrive = (secret) => eve.page.goto(
      `${w.shop}/return?order=${eve.order}&payment_intent=${intent.id}&payment_intent_client_secret=${secret}` +
        '&redirect_status=succeeded',
    );
    await arrive(intent.client_secret);
    await eve.shows('Checking your payment');
    await eve.page.locator('dd', { hasText: '€42.00' }).waitFor();
    assert.equal(await eve.page.getByText('is paid').count(), 0);
    await arrive(`${intent.id}_secret_invented`);
    await eve.shows('We do not know this payment');

    const headers = { Authorization: `Bearer ${(await token).token}`, 'Content-Type': 'application/json' };
    const answer = await fetch(`${w.kasse}/v1/payments`, { method: 'POST', body: '{"amount":1}', headers });
    assert.deepEqual([answer.status, (await answer.json()).code], [422, 'claim_mismatch']);
    const { payment } = await w.order(eve.order);
    assert.deepEqual([payment.state, payment.fulfillable, payment.amount], ['pending', false, 4200]);
  });

  test('closing the tab does not affect the payment', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('iDEAL');
    await ada.pay();
    await ada.shows('Test bank');
    const [intent] = await w.intents(ada.order);
    const there = ada.page.url();
    await ada.page.close();
    await w.controlStripe(`/payments/${intent.id}/authenticate`, { fail: false });
    await w.paidOnce(ada.order);
    assert.match(there, /\/authorize\//);

    const again = await ada.tab();
    await again.page.goto(`${w.shop}/return?order=${ada.order}`);
    await again.shows(paid);
    await again.page.goto(`${w.shop}/checkout?order=${ada.order}`);
    await again.shows(paid);
  });

  test('an order that the shop cancels', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.page.goto(`${w.shop}/return?order=${ada.order}`);
    await ada.shows('Checking your payment');
    await w.cancel(ada.order);
    await ada.shows('This payment was cancelled');
    await ada.page.goto(`${w.shop}/checkout?order=${ada.order}`);
    await ada.showsError('This order was cancelled');
    const first = ada.order;
    assert.notEqual(await ada.checkOut(), first);
  });

  test('too many attempts with a declined card', async (t) => {
    const eve = await shopper(t, w);
    await eve.checkOut();
    await eve.card(cards.declined);
    const answers = [];
    eve.page.on('response', (response) => response.url().includes('/confirm?') && answers.push(response.status()));
    while (answers.at(-1) !== 400 && answers.length < 15) {
      const before = answers.length;
      await eve.pay();
      await until('an answer', () => answers.length > before);
      await Promise.race([eve.payable(), eve.shows('This payment was cancelled')]);
    }
    const order = await until('the order is closed', async () => {
      const seen = await w.order(eve.order);
      return seen.closed && seen.payment.state === 'canceled' && seen;
    });
    assert.equal(order.payment.fulfillable, false);
    await eve.page.goto(`${w.shop}/checkout?order=${eve.order}`);
    await eve.showsError('Too many attempts');
  });

  test('the simulated Stripe.js refuses the same calls as Stripe.js', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    const [intent] = await w.intents(ada.order);
    const seen = await ada.page.evaluate(async (secret) => {
      const caught = (work) => { try { return work(), 'no error'; } catch (error) { return error.name; } };
      const stripe = window.Stripe('pk_test_x');
      const elements = stripe.elements({ clientSecret: secret });
      elements.create('payment');
      return {
        secretKey: caught(() => window.Stripe('sk_test_x')), noSecret: caught(() => stripe.elements({})),
        second: caught(() => elements.create('payment')),
        nowhere: caught(() => elements.getElement('payment').mount('#nowhere')),
        noReturn: await stripe.confirmPayment({ elements, confirmParams: {} }).catch((error) => error.name),
        retrieved: (await stripe.retrievePaymentIntent(secret)).paymentIntent.status,
        forged: (await stripe.retrievePaymentIntent(secret + 'x')).error.code,
      };
    }, intent.client_secret);
    const refused = 'IntegrationError';
    assert.deepEqual(seen, {
      secretKey: refused, noSecret: refused, second: refused, nowhere: refused, noReturn: refused,
      retrieved: 'requires_payment_method', forged: 'resource_missing',
    });
  });

  test('the page shows only the features of the customer session', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    const { customer } = (await w.order(ada.order)).payment;
    const opened = await w.open({ order_id: `bare-${ada.order}`, amount: 100, currency: 'eur', customer });
    await ada.page.evaluate(({ client_secret, customer_session, publishable_key }) => {
      const stripe = window.Stripe(publishable_key);
      const session = customer_session.client_secret;
      const elements = stripe.elements({ clientSecret: client_secret, customerSessionClientSecret: session });
      return new Promise((resolve) => elements.create('payment').on('ready', resolve).mount('#view'));
    }, opened);
    await ada.page.getByRole('radio', { name: 'Visa •••• 4242' }).waitFor({ timeout: patience });
    assert.equal(await ada.page.getByRole('button', { name: 'Remove' }).count(), 0);
    await ada.choose('New card');
    assert.equal(await ada.page.getByRole('checkbox').count(), 0);
  });
});
