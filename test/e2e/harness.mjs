// The environment of the tests: their own kasse-dev, one Chromium for all, and a shopper who uses the page as people do.
import { spawn } from 'node:child_process';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

/** How long anything may take, in milliseconds. It bounds a wait for a condition, and decides nothing else. */
export const patience = 30_000;

export const serviceKey = 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse';
export const folder = new URL('screenshots/', import.meta.url).pathname;
export const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
mkdirSync(folder, { recursive: true });

export let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

/** Waits until the look gives something, and gives that. */
export async function until(what, look) {
  const end = Date.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) assert.fail(`${what}: not within ${patience / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A kasse-dev for the tests of one file. Debits stay with the bank until a test settles them. */
export function world(env = {}, busy = true) {
  const w = {
    async start() {
      const addresses = ['addr', 'admin-addr', 'stripe-addr', 'control-addr', 'shop-addr', 'console-addr'].flatMap((name) => [`-${name}`, ':0']);
      w.process = spawn(process.env.KASSE_DEV, [...addresses, '-settle', '1000h'], { env: { ...process.env, LOG_LEVEL: 'debug', ...env } });
      let said = '';
      w.log = '';
      w.process.stdout.on('data', (text) => (said += text));
      w.process.stderr.on('data', (text) => (w.log += text));
      await until('kasse-dev', () => said.includes('A walk to paste') || w.process.exitCode !== null);
      for (const name of ['Shop', 'Console', 'Kasse', 'Stripe', 'Control']) w[name.toLowerCase()] = new RegExp(`${name} +(\\S+)`).exec(said)?.[1];
      assert.ok(w.shop, `kasse-dev did not start: ${w.log}`);
    },
    async stop() {
      const ended = new Promise((resolve) => w.process.once('close', resolve)); // and its last words are here
      w.process.kill('SIGTERM');
      await ended;
      keptSecrets(w.log);
      if (busy) hasAnswered(w.log); // others are there for a test or two
    },

    /** The order as its backend sees it: the truth that a page can neither bend nor hide. */
    order: (id) => ask('GET', `${w.kasse}/v1/orders/${id}`, serviceKey),
    open: (body) => ask('POST', `${w.kasse}/v1/payments`, serviceKey, body),
    cancel: async (id) => ask('POST', `${w.kasse}/v1/payments/${(await w.order(id)).payment.payment_intent}/cancel`, serviceKey),
    /** The PaymentIntents that Stripe has for the order. */
    async intents(id) {
      const { data } = await ask('GET', `${w.stripe}/v1/payment_intents?limit=100`, 'sk_test_kasse_dev');
      return data.filter((intent) => intent.metadata.kasse_order_id === id);
    },
    charges: async (id) => (await ask('GET', `${w.stripe}/v1/charges?payment_intent=${(await w.intents(id))[0].id}`, 'sk_test_kasse_dev')).data,
    lever: (path, body) => ask('POST', w.control + path, '', body),
    settle: async (id, fail = false) => w.lever(`/payments/${(await w.intents(id))[0].id}/settle`, { fail }),
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

async function ask(method, url, key, body) {
  const response = await fetch(url, {
    method,
    headers: { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** Kasse and the shop have both answered, so that there was something to keep secret. */
function hasAnswered(log) {
  assert.match(log, /msg=shop method=GET path=\/return/, 'the log has the return page');
  assert.match(log, /route=\/v1\/payments\/{payment_intent} /, 'the log has the polls');
}

/** No line of Kasse's or the shop's log holds a secret. */
function keptSecrets(log) {
  for (const line of log.split('\n')) assert.doesNotMatch(line, secrets, 'a secret in the log');
}

export const secrets = /_secret_|cuss_|ksk_|[rs]k_test_|whsec_|eyJ[\w-]+\./;

/** A person at a browser of their own. Nothing that they do may put a secret into a URL of ours, send a Referer, or break the page's policy. */
export async function shopper(t, w, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(patience);
  const flaws = [];
  t.after(async () => {
    await context.close();
    assert.deepEqual(flaws, []);
  });
  context.on('request', async (request) => {
    const url = request.url();
    const returning = request.isNavigationRequest() && url.startsWith(w.shop + '/return?');
    if (!url.startsWith(w.stripe) && !returning && secrets.test(url)) flaws.push(`a secret in ${url}`);
    if (request.headers().referer?.startsWith(w.shop)) flaws.push(`a Referer to ${url}`);
  });
  context.on('weberror', (error) => flaws.push(String(error.error())));
  context.on('console', (message) => /Content Security Policy/i.test(message.text()) && flaws.push(message.text()));
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

  /** Goes from the cart to the payment, and gives the order's id once it can be paid. */
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
  says = (text) => this.page.getByRole('alert').filter({ hasText: text }).waitFor();
  shows = (title) => this.page.getByRole('heading', { name: title }).waitFor();
  follow = (link) => this.page.getByRole('link', { name: link }).click();

  async card(number, save = false) {
    await this.choose('New card');
    await this.page.getByLabel('Card number').fill(number);
    await this.page.getByLabel('Expiration date').fill('1240');
    await this.page.getByLabel('Security code').fill('123');
    if (save) await this.page.getByLabel('Save payment details').filter({ visible: true }).check();
  }

  /** Fills in whatever the chosen method asks for besides its number. */
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

  /** Answers on the bank's page, or in its frame. */
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
