// The example's pages in Chromium, against a real kasse-dev and its simulated Stripe.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const patience = 30_000; // milliseconds; limits the wait for a condition, and decides nothing else
const serviceKey = 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse';
const origin = 'http://127.0.0.1:5174';
const cards = { pays: '4242424242424242', declined: '4000000000000002', challenge: '4000002760003184' };

describe('the example', () => {
  let dev, vite, browser;
  before(async () => {
    dev = await startDev();
    process.env.SHOP = dev.shop;
    vite = await createServer({
      root: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
      server: { host: '127.0.0.1', port: 5174 },
      logLevel: 'error',
    });
    await vite.listen();
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
  });
  after(async () => {
    await browser?.close();
    await vite?.close();
    await dev?.stop();
  });

  /** Opens a customer's browser at the payment. `requests` lists the browser's requests to Kasse. */
  async function customer(t, who = 'Buy as Ada') {
    const context = await browser.newContext();
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    const [requests, flaws] = [[], []];
    page.on(
      'request',
      (request) =>
        request.url().startsWith(dev.kasse) &&
        requests.push(`${request.method()} ${new URL(request.url()).pathname}`),
    );
    const held = new Set(); // requests that Kasse may hold
    page.on('request', (request) => new URL(request.url()).searchParams.has('wait') && held.add(request));
    for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => held.delete(request));
    page.on('pageerror', (error) => flaws.push(String(error)));
    page.on(
      'console',
      (message) =>
        message.type() === 'error' && !/Failed to load resource/.test(message.text()) && flaws.push(message.text()),
    );
    t.after(async () => {
      await context.close();
      assert.deepEqual(flaws, []);
    });
    await page.goto(origin);
    await page.getByRole('button', { name: who }).click();
    await page.waitForURL('**/checkout?order=*');
    const order = new URL(page.url()).searchParams.get('order');
    const pay = (name = 'Pay €42.00') => page.getByRole('button', { name }).click();
    return { page, order, requests, held, pay, shows: (text) => page.getByText(text).first().waitFor() };
  }

  async function card(page, number) {
    await page.getByRole('radio', { name: 'New card' }).check();
    await page.getByLabel('Card number').fill(number);
    await page.getByLabel('Expiration date').fill('1240');
    await page.getByLabel('Security code').fill('123');
  }

  async function debit({ page, pay }) {
    await page.getByRole('radio', { name: 'SEPA Direct Debit' }).check();
    for (const [label, value] of [
      ['IBAN', 'DE89370400440532013000'],
      ['Full name', 'Ada Lovelace'],
      ['Email', 'ada@example.com'],
    ]) {
      await page.getByLabel(label, { exact: true }).filter({ visible: true }).fill(value);
    }
    await pay();
  }

  async function orderOf(id) {
    const answer = await fetch(`${dev.kasse}/v1/orders/${id}`, {
      headers: { Authorization: `Bearer ${serviceKey}` },
    });
    return answer.json();
  }

  const control = (path, body = {}) =>
    fetch(dev.control + path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    });

  test('pays with the saved card; StrictMode opens one payment', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('radio', { name: 'Visa •••• 4242' }).waitFor();
    assert.equal(ada.requests.filter((request) => request.startsWith('POST')).length, 1, String(ada.requests));
    await ada.pay();
    await ada.shows('your order is paid');
    const { payment, superseded } = await orderOf(ada.order);
    assert.deepEqual([payment.state, payment.attempt, superseded], ['paid', 1, []]);
    await ada.page.reload(); // a paid order shows no form
    await ada.shows('your order is paid');
  });

  test('shows a decline, and the next try pays', async (t) => {
    const ada = await customer(t, 'Buy as a guest');
    await card(ada.page, cards.declined);
    await ada.pay();
    await ada.page.getByRole('alert').filter({ hasText: 'declined' }).waitFor();
    await card(ada.page, cards.pays);
    await ada.pay('Try again: pay €42.00');
    await ada.shows('your order is paid');
    assert.equal((await orderOf(ada.order)).payment.attempt, 1);
  });

  test('3D Secure in the page: refused, then confirmed', async (t) => {
    const ada = await customer(t);
    await card(ada.page, cards.challenge);
    await ada.pay();
    const bank = ada.page.getByRole('dialog').locator('iframe').contentFrame();
    await bank.getByRole('button', { name: 'Fail test payment' }).click();
    await ada.pay('Try again: pay €42.00');
    await bank.getByRole('button', { name: 'Authorize test payment' }).click();
    await ada.shows('your order is paid');
  });

  test('returns from a bank, and the address has no secret', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('radio', { name: 'iDEAL' }).check();
    for (const [label, value] of [
      ['Full name', 'Ada Lovelace'],
      ['Email', 'ada@example.com'],
    ]) {
      await ada.page.getByLabel(label, { exact: true }).filter({ visible: true }).fill(value);
    }
    await ada.pay();
    await ada.page.getByRole('button', { name: 'Authorize test payment' }).click();
    await ada.shows('your order is paid');
    assert.equal(ada.page.url(), `${origin}/return?order=${ada.order}`);
    await ada.page.reload(); // without the secret, by the order token
    await ada.shows('your order is paid');
  });

  test('a debit takes days; a hidden tab sends no request, and a visible one shows the end', async (t) => {
    const ada = await customer(t);
    await debit(ada);
    await ada.shows('on its way');
    const payment = await until('the request that Kasse holds', async () => {
      const { payment: latest } = await orderOf(ada.order);
      const waits = [...ada.held].some((request) => request.headers()['if-none-match'] === `"${latest.version}"`);
      return waits && latest;
    });
    await hide(ada.page, true);
    const before = ada.requests.length; // Kasse already held one of them: the first change answers it
    await control(`/payments/${payment.payment_intent}/settle`, { fail: true });
    await until('failed', async () => (await orderOf(ada.order)).payment.state === 'failed');
    await control(`/payments/${payment.payment_intent}/status`, { status: 'succeeded' });
    await until('paid', async () => (await orderOf(ada.order)).payment.state === 'paid');
    assert.equal(
      ada.requests.slice(before).filter((request) => request.startsWith('GET')).length,
      0,
      'requests of a hidden tab',
    );
    await hide(ada.page, false);
    await ada.shows('your order is paid');
  });

  test('a debit that fails after the page was opened again brings the form back', async (t) => {
    const ada = await customer(t);
    await debit(ada);
    await ada.shows('on its way');
    await ada.page.reload();
    await ada.shows('on its way');
    const { payment } = await orderOf(ada.order);
    await control(`/payments/${payment.payment_intent}/settle`, { fail: true });
    await card(ada.page, cards.pays);
    await ada.pay('Try again: pay €42.00');
    await ada.shows('your order is paid');
  });

  test('a voucher is paid elsewhere, days later; its details are shown again', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('radio', { name: 'Multibanco' }).check();
    await ada.page.getByLabel('Email', { exact: true }).filter({ visible: true }).fill('ada@example.com');
    await ada.pay();
    const details = ada.page.getByRole('dialog', { name: 'Payment details' });
    await details.getByRole('button', { name: 'Close' }).click();
    await ada.page.reload();
    await ada.shows('Please pay with the details that you were shown, until');
    await ada.page.getByRole('button', { name: 'Show the details' }).click();
    await details.getByText('Entity').waitFor();
    await details.getByRole('button', { name: 'Close' }).click();
    const { payment } = await orderOf(ada.order);
    await control(`/payments/${payment.payment_intent}/settle`);
    await ada.shows('your order is paid');
  });

  test('another price in another tab opens no second payment', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('button', { name: 'Pay €42.00' }).waitFor();
    const { payment } = await orderOf(ada.order);
    await fetch(`${dev.kasse}/v1/payments/${payment.payment_intent}`, {
      method: 'PATCH',
      headers: {
        Authorization: `Bearer ${serviceKey}`,
        'Content-Type': 'application/json',
        'If-Match': `"${payment.version}"`,
      },
      body: JSON.stringify({ amount: 3900 }),
    });
    await ada.pay('Pay €39.00');
    await ada.shows('your order is paid');
    const order = await orderOf(ada.order);
    assert.deepEqual([order.payment.amount_received, order.superseded], [3900, []]);
  });

  test('another currency in another tab: the page continues with the new payment', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('button', { name: 'Pay €42.00' }).waitFor();
    const other = await ada.page.context().newPage();
    await other.goto(origin);
    await other.evaluate(() =>
      fetch('/api/orders', { method: 'POST', body: JSON.stringify({ region: 'us', guest: false }) }),
    );
    await other.goto(`${origin}/checkout?order=${ada.order}`);
    await other.getByRole('button', { name: 'Pay $45.00' }).waitFor();
    await ada.pay('Pay $45.00');
    await ada.shows('your order is paid');
    await other.getByText('your order is paid').waitFor();
    const order = await orderOf(ada.order);
    assert.deepEqual([order.payment.state, order.payment.currency, order.payment.attempt], ['paid', 'usd', 2]);
  });

  test('a used session is renewed, and the saved card is shown again', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('button', { name: 'Pay €42.00' }).waitFor(); // this load has another session than the reload
    let uses = 0; // of the session that the reload gets: the first one uses it up, and the page's own finds it used
    await ada.page.route('**/v1/elements/sessions?*', async (route) => {
      if (uses === 1) await route.fetch();
      uses += uses;
      await route.continue();
    });
    ada.page.once('framenavigated', () => (uses = 1));
    await ada.page.reload();
    await ada.page.getByRole('radio', { name: 'Visa •••• 4242' }).waitFor();
    assert.ok(
      ada.requests.some((request) => request.endsWith('/customer-session')),
      String(ada.requests),
    );
    await ada.pay();
    await ada.shows('your order is paid');
  });

  test('a closed order shows that it was cancelled', async (t) => {
    const ada = await customer(t);
    await ada.page.getByRole('button', { name: 'Pay' }).waitFor();
    const { payment } = await orderOf(ada.order);
    await fetch(`${dev.kasse}/v1/payments/${payment.payment_intent}/cancel`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${serviceKey}` },
    });
    await ada.page.getByRole('alert').filter({ hasText: 'This order was cancelled' }).waitFor();
  });

  test('no connection at the start: a button tries again', async (t) => {
    const ada = await customer(t);
    await ada.page.route(`${dev.kasse}/**`, (route) => route.abort());
    await ada.page.reload();
    await ada.page.getByRole('alert').filter({ hasText: 'Check your connection' }).waitFor();
    await ada.page.unroute(`${dev.kasse}/**`);
    await ada.page.getByRole('button', { name: 'Try again' }).click();
    await ada.pay();
    await ada.shows('your order is paid');
  });
});

/** Reports to the page that its tab is hidden, or visible again. */
const hide = (page, hidden) =>
  page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

async function until(what, look) {
  const end = Date.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) assert.fail(`${what}: not within ${patience / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startDev() {
  const names = ['addr', 'admin-addr', 'stripe-addr', 'control-addr', 'shop-addr', 'console-addr'];
  const addresses = names.flatMap((name) => [`-${name}`, ':0']);
  const child = spawn(process.env.KASSE_DEV, [...addresses, '-settle', '1000h'], {
    env: { ...process.env, CORS_ALLOWED_ORIGINS: origin },
  });
  process.once('exit', () => child.kill('SIGKILL'));
  let [printed, log] = ['', ''];
  child.stdout.on('data', (text) => (printed += text));
  child.stderr.on('data', (text) => (log += text));
  await until('kasse-dev', () => printed.includes('Commands to paste') || child.exitCode !== null);
  assert.equal(child.exitCode, null, log);
  const address = (name) => new RegExp(`^${name} +(\\S+)`, 'm').exec(printed)[1];
  const ended = new Promise((resolve) => child.once('close', resolve));
  return {
    shop: address('Shop'),
    kasse: address('Kasse'),
    control: address('Control'),
    stop: () => (child.kill('SIGTERM'), ended),
  };
}
