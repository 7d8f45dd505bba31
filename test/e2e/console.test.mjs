// The console of kasse-dev: each button is pressed, and the order that results is looked at where its backend sees it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test, describe } from 'node:test';
import { axe, browser, folder, patience, secrets, until, world } from './harness.mjs';

const checker = readFileSync(axe, 'utf8');

describe('the console', () => {
  const w = world({}, false);
  const pressed = new Set();
  const buttons = new Set();

  /** A developer at the console. Nothing that it sends to the browser has a secret, and it talks to no other origin. */
  async function developer(t, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(patience);
    const flaws = [];
    const reading = [];
    t.after(async () => {
      await Promise.allSettled(reading);
      await context.close();
      assert.deepEqual(flaws, []);
    });
    context.on('request', (request) => request.url().startsWith(w.console) || flaws.push(`a request to ${request.url()}`));
    context.on('response', (response) => {
      if (response.headers()['content-type']?.startsWith('text/event-stream')) return; // it has numbers, and no end
      reading.push(response.text().then((text) => secrets.test(text) && flaws.push(`a secret in ${response.url()}`), () => {}));
    });
    context.on('weberror', (error) => flaws.push(String(error.error())));
    context.on('console', (message) => /Content Security Policy/i.test(message.text()) && flaws.push(message.text()));
    const page = await context.newPage();
    await page.goto(w.console);
    await page.getByText('Live', { exact: true }).waitFor();
    for (const text of await page.locator('button').allTextContents()) buttons.add(text);
    return page;
  }

  const button = (page, name) => page.getByRole('button', { name, exact: true });
  async function press(page, name) {
    pressed.add(name);
    if (await button(page, name).getAttribute('data-action')) await page.locator(`[aria-disabled=false]:text-is("${name}")`).waitFor();
    await button(page, name).click();
  }
  const shows = (page, state) => page.locator('#state').getByText(state, { exact: true }).waitFor();
  const says = (page, text) => page.locator('#said').getByText(text).waitFor();
  const line = (page, text) => page.locator('#timeline tr').filter({ hasText: text });

  /** Makes an order by the button, and gives its id. */
  async function newOrder(page, name = 'New order') {
    const before = page.url();
    await press(page, name);
    await until('the new order', () => page.url() !== before && page.url().includes('#console-'));
    const id = new URL(page.url()).hash.slice(1);
    await page.getByRole('heading', { name: `Order ${id}` }).waitFor();
    await shows(page, 'pending');
    return id;
  }

  /** Presses a button, waits until Kasse and the page have the state, and gives the payment. */
  async function brings(page, id, name, state) {
    await press(page, name);
    const payment = await w.reaches(id, state);
    await shows(page, state);
    return payment;
  }

  test('an order is declined, then paid, and its timeline shows how', async (t) => {
    const page = await developer(t);
    const id = await newOrder(page);
    const { failure } = await brings(page, id, 'Card is declined', 'failed');
    assert.deepEqual([failure.code, failure.decline_code], ['card_declined', 'insufficient_funds']);
    await brings(page, id, 'Pay by card', 'paid');
    for (const text of ['attempt 1: pending', 'pending → failed', 'failed → paid', 'POST /v1/payment_intents', 'payment_intent.succeeded', 'order.paid']) {
      await line(page, text).first().waitFor();
    }
    await line(page, 'Kasse answered 200: applied').first().waitFor();
    assert.match(await line(page, 'POST /v1/payment_intents').locator('td').last().textContent(), /^\d+\.\d$/, 'its latency in ms');
    await page.getByLabel('requests to Stripe').uncheck();
    assert.equal(await line(page, 'POST /v1/payment_intents').count(), 0);
    await says(page, 'Done: Pay by card.');
    await button(page, 'Debit settles').focus(); // it can be reached, and says why it does nothing
    await page.keyboard.press('Enter');
    await says(page, 'this is not possible');
    await page.screenshot({ path: `${folder}console.png`, fullPage: true });
    await w.paidOnce(id);
  });

  test('a debit settles, another fails', async (t) => {
    const page = await developer(t);
    const paid = await newOrder(page);
    await brings(page, paid, 'Start a debit', 'processing');
    await brings(page, paid, 'Debit settles', 'paid');
    const failed = await newOrder(page);
    await brings(page, failed, 'Start a debit', 'processing');
    await brings(page, failed, 'Debit fails', 'failed');
  });
});
