// The environment of the tests: a kasse-dev, one Chromium for all tests, and a shopper who uses the page as people do.
import { spawn } from 'node:child_process';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

/** Limits a wait for a condition, in milliseconds. Only a broken run reaches it. */
export const patience = 30_000;

export const serviceKey = 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse';
export const folder = new URL('screenshots/', import.meta.url).pathname;
mkdirSync(folder, { recursive: true });

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Runs axe on the page as it is now, and returns the violations. */
export async function axeViolations(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 5, 'axe has checked the page');
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
}

export let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
});
after(() => browser?.close());

/** Waits until read returns a truthy value, and returns it. */
export async function until(what, read) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await read();
    if (value) return value;
    if (Date.now() > end) assert.fail(`${what}: not within ${patience / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const stripeKey = 'sk_test_kasse_dev';

/**
 * A kasse-dev for the tests of one file. Debits stay with the bank until a test settles them. env changes its settings.
 * If complete is set, its tests use every part: the log must have the return page and the polls.
 */
export function environment(env = {}, complete = true) {
  const w = {
    async start() {
      const listeners = ['addr', 'admin-addr', 'stripe-addr', 'control-addr', 'shop-addr', 'console-addr'];
      const args = [...listeners.flatMap((name) => [`-${name}`, ':0']), '-settle', '1000h'];
      w.process = spawn(process.env.KASSE_DEV, args, { env: { ...process.env, LOG_LEVEL: 'debug', ...env } });
      let printed = '';
      w.log = '';
      w.process.stdout.on('data', (text) => (printed += text));
      w.process.stderr.on('data', (text) => (w.log += text));
      await until('kasse-dev', () => printed.includes('Commands to paste') || w.process.exitCode !== null);
      for (const name of ['Shop', 'Console', 'Kasse', 'Stripe', 'Control']) {
        w[name.toLowerCase()] = new RegExp(`${name} +(\\S+)`).exec(printed)?.[1];
      }
      assert.ok(w.shop, `kasse-dev did not start: ${w.log}`);
    },
    async stop() {
      const ended = new Promise((resolve) => w.process.once('close', resolve)); // and its whole log was read
      w.process.kill('SIGTERM');
      await ended;
      assertNoSecrets(w.log);
      if (complete) assertComplete(w.log);
    },

    /** The order as its backend sees it, which no page can change. */
    order: (id) => call('GET', `${w.kasse}/v1/orders/${id}`, serviceKey),
    open: (body) => call('POST', `${w.kasse}/v1/payments`, serviceKey, body),
    async cancel(id) {
      const { payment } = await w.order(id);
      return call('POST', `${w.kasse}/v1/payments/${payment.payment_intent}/cancel`, serviceKey);
    },
    /** The PaymentIntents that Stripe has for the order. */
    async intents(id) {
      const { data } = await call('GET', `${w.stripe}/v1/payment_intents?limit=100`, stripeKey);
      return data.filter((intent) => intent.metadata.kasse_order_id === id);
    },
    async charges(id) {
      const [intent] = await w.intents(id);
      return (await call('GET', `${w.stripe}/v1/charges?payment_intent=${intent.id}`, stripeKey)).data;
    },
    /** Changes the simulated Stripe. */
    controlStripe: (path, body) => call('POST', w.control + path, '', body),
    settle: async (id, fail = false) => w.controlStripe(`/payments/${(await w.intents(id))[0].id}/settle`, { fail }),
    /** Waits until the backend sees the order's payment in a state. */
    async reaches(id, state) {
      return until(`${id} as ${state}`, async () => {
        const { payment } = await w.order(id);
        return payment.state === state && payment;
      });
    },
    async paidOnce(id) {
      const payment = await w.reaches(id, 'paid');
      assert.equal(payment.fulfillable, true);
      assert.equal((await w.intents(id)).length, 1, 'PaymentIntents of the order');
      const charges = await w.charges(id);
      assert.equal(charges.filter((charge) => charge.paid).length, 1, 'charges that were paid');
      return payment;
    },
  };
  before(() => w.start());
  after(() => w.stop());
  return w;
}

async function call(method, url, key, body) {
  const response = await fetch(url, {
    method,
    headers: { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** Kasse and the shop have both served requests, so their logs could have had secrets. */
function assertComplete(log) {
  assert.match(log, /msg="shop: request" method=GET path=\/return/, 'the log has the return page');
  assert.match(log, /route=\/v1\/payments\/{payment_intent} /, 'the log has the polls');
}

/** No line of Kasse's or the shop's log has a secret. */
function assertNoSecrets(log) {
  for (const line of log.split('\n')) assert.doesNotMatch(line, secrets, 'a secret in the log');
}

export const secrets = /_secret_|cuss_|ksk_|[rs]k_test_|whsec_|eyJ[\w-]+\./;

export const violatesPolicy = (text) => /Content Security Policy/i.test(text);

/**
 * A person with their own browser session. No action may put a secret into a URL of Kasse or the shop, send a Referer,
 * or violate the page's Content Security Policy.
 */
export async function shopper(t, w, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(patience);
  const faults = [];
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  context.on('request', async (request) => {
    const url = request.url();
    const returning = request.isNavigationRequest() && url.startsWith(w.shop + '/return?');
    if (!url.startsWith(w.stripe) && !returning && secrets.test(url)) faults.push(`a secret in ${url}`);
    if (request.headers().referer?.startsWith(w.shop)) faults.push(`a Referer to ${url}`);
  });
  context.on('weberror', (error) => faults.push(String(error.error())));
  context.on('console', (message) => violatesPolicy(message.text()) && faults.push(message.text()));
  return new Shopper(w, context, await context.newPage());
}

export class Shopper {
  constructor(w, context, page) {
    Object.assign(this, { w, context, page });
  }

  /** The same person in another tab. */
  async tab() {
    return new Shopper(this.w, this.context, await this.context.newPage());
  }

  /** Goes from the cart to the payment, waits until the order can be paid, and returns its id. */
  async checkOut({ redirect, ...choice } = {}) {
    await this.toPayment(choice);
    if (redirect) await this.page.goto(`${this.page.url()}&redirect=${redirect}`);
    await this.payable();
    return this.order;
  }

  async toPayment({ region = 'Europe', as = 'Ada, signed in' } = {}) {
    await this.page.goto(this.w.shop + '/');
    await this.page.getByRole('radio', { name: region }).check();
    await this.page.getByRole('radio', { name: as }).check();
    await this.page.getByRole('button', { name: 'Check out' }).click();
    await this.page.waitForURL('**/checkout?order=*');
    this.order = new URL(this.page.url()).searchParams.get('order');
  }

  payButton = () => this.page.getByRole('button', { name: /^Pay [€$]/ });
  payable = () => this.payButton().waitFor();
  pay = () => this.payButton().click();
  choose = (method) => this.page.getByRole('radio', { name: method }).check();
  showsError = (text) => this.page.getByRole('alert').filter({ hasText: text }).waitFor();
  shows = (title) => this.page.getByRole('heading', { name: title }).waitFor();
  follow = (link) => this.page.getByRole('link', { name: link }).click();

  async card(number, save = false) {
    await this.choose('New card');
    await this.page.getByLabel('Card number').fill(number);
    await this.page.getByLabel('Expiration date').fill('1240');
    await this.page.getByLabel('Security code').fill('123');
    if (save) await this.page.getByLabel('Save payment details').filter({ visible: true }).check();
  }

  /** Chooses a method, and fills in the fields that it has. */
  async method(name, { iban, account, save = false } = {}) {
    await this.choose(name);
    const fill = async (label, value) => {
      const field = this.page.getByLabel(label, { exact: true }).filter({ visible: true });
      if (value && (await field.count())) await field.fill(value);
    };
    await fill('Full name', 'Ada Lovelace');
    await fill('Email', 'ada@example.com');
    await fill('IBAN', iban);
    await fill('Routing number', '110000000');
    await fill('Account number', account);
    if (save) await this.page.getByLabel('Save payment details').filter({ visible: true }).check();
  }

  /** Presses a button on the bank's page, or in its frame: Authorize or Fail. */
  async bank(answer, where = this.page) {
    await where.getByRole('button', { name: `${answer} test payment` }).click();
  }

  challenge = () => this.page.getByRole('dialog').locator('iframe').contentFrame();
}

export const paid = 'Thank you, your order is paid';
export const onItsWay = 'Your payment is on its way';
export const waitsForYou = 'Your order waits for your payment';
export const refused = 'The payment did not go through';
export const cards = { pays: '4242424242424242', declined: '4000000000000002', challenge: '4000002760003184' };
