// The console of kasse-dev: each button is pressed, and the test compares the resulting order with the backend's view.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test, describe } from 'node:test';
import {
  axeViolations, browser, environment, folder, onItsWay, paid, patience, secrets, shopper, until, violatesPolicy,
} from './harness.mjs';

const guide = readFileSync(new URL('../../docs/console.md', import.meta.url), 'utf8');
const [table] = /\| state in the end[\s\S]*?\n\n/.exec(guide);

describe('the console', () => {
  const w = environment({}, false);
  const pressed = new Set();
  const buttons = new Set();

  /** Opens a window for a developer. No response may contain a secret, and no request may go to another origin. */
  async function developer() {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    context.setDefaultTimeout(patience);
    context.on('request', (request) => {
      if (!request.url().startsWith(w.console)) faults.push(`a request to ${request.url()}`);
    });
    context.on('response', (response) => {
      if (response.headers()['content-type']?.startsWith('text/event-stream')) return; // only numbers, without an end
      const check = (text) => secrets.test(text) && faults.push(`a secret in ${response.url()}`);
      reading.push(response.text().then(check, () => {}));
    });
    context.on('weberror', (error) => faults.push(String(error.error())));
    context.on('console', (message) => violatesPolicy(message.text()) && faults.push(message.text()));
    const page = await context.newPage();
    await page.goto(w.console);
    await page.getByText('Live', { exact: true }).waitFor();
    for (const text of await page.locator('button').allTextContents()) buttons.add(text);
    return page;
  }

  const faults = [];
  const reading = []; // responses that are being read
  let page; // one window for all tests: a new one costs more than a test
  before(async () => (page = await developer()));

  const button = (name) => page.getByRole('button', { name, exact: true });
  async function press(name) {
    pressed.add(name);
    if (await button(name).getAttribute('data-action')) {
      await page.locator(`[aria-disabled=false]:text-is("${name}")`).waitFor();
    }
    await button(name).click();
  }
  const shows = (state) => page.locator('#state').getByText(state, { exact: true }).waitFor();
  const showsMessage = (text) => page.locator('#result').getByText(text).waitFor();
  const line = (text) => page.locator('#timeline tr').filter({ hasText: text });

  /** Presses the button that makes an order, and returns the order's id. */
  async function newOrder(name = 'New order') {
    const before = page.url();
    await press(name);
    await until('the new order', () => page.url() !== before && page.url().includes('#console-'));
    const id = new URL(page.url()).hash.slice(1);
    await page.getByRole('heading', { name: `Order ${id}` }).waitFor();
    await shows('pending');
    return id;
  }

  /** Presses a button, waits until Kasse and the page show the state, and returns the payment. */
  async function pressUntil(id, name, state) {
    await press(name);
    const payment = await w.reaches(id, state);
    await shows(state);
    return payment;
  }

  test('an order is declined, then paid, and its timeline shows both', async () => {
    const id = await newOrder();
    const { failure } = await pressUntil(id, 'Card is declined', 'failed');
    assert.deepEqual([failure.code, failure.decline_code], ['card_declined', 'insufficient_funds']);
    await pressUntil(id, 'Pay by card', 'paid');
    for (const text of [
      'attempt 1: pending', 'pending → failed', 'failed → paid', 'POST /v1/payment_intents',
      'payment_intent.succeeded', 'order.paid',
    ]) await line(text).first().waitFor();
    await line('Kasse answered 200: applied').first().waitFor();
    await page.setViewportSize({ width: 1200, height: 860 });
    await page.screenshot({ path: `${folder}console.png` }); // make console-picture
    const latency = await line('POST /v1/payment_intents').locator('td').last().textContent();
    assert.match(latency, /^\d+\.\d$/, 'the latency in ms');
    await page.getByLabel('requests to Stripe').uncheck();
    assert.equal(await line('POST /v1/payment_intents').count(), 0);
    await page.getByLabel('requests to Stripe').check();
    await showsMessage('Done: Pay by card.');
    await button('Debit settles').focus(); // a disabled button can have the focus, and shows the reason
    await page.keyboard.press('Enter');
    await showsMessage('this is not possible');
    await w.paidOnce(id);
  });

  for (const [, state, buttonNames] of table.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)) {
    test(`${state}: ${buttonNames}`, async () => {
      const names = buttonNames.split(buttonNames.includes(';') ? '; ' : ', ').filter((name) => name !== 'nothing');
      const later = names[0] === 'New order, captured later' && names.shift();
      const id = await newOrder(later || 'New order');
      for (const name of names) await press(name);
      await w.reaches(id, state);
      await shows(state);
    });
  }

  test('a voucher and an authorisation expire as the days pass', async () => {
    const voucher = await newOrder();
    const { action } = await pressUntil(voucher, 'Get a voucher', 'action_required');
    assert.equal(action.type, 'multibanco_display_details');
    await press('Let the days pass');
    await showsMessage('5 days have passed.');
    assert.equal((await w.order(voucher)).payment.state, 'action_required', 'a voucher can be paid for seven days');
    await pressUntil(voucher, 'Let the days pass', 'failed');
    const hold = await newOrder('New order, captured later');
    await pressUntil(hold, 'Pay by card', 'authorized');
    await page.getByLabel('Days').fill('8');
    await pressUntil(hold, 'Let the days pass', 'canceled');
  });

  test('a lost dispute is appealed and won', async () => {
    const id = await newOrder();
    await pressUntil(id, 'Pay by card', 'paid');
    await pressUntil(id, 'Customer disputes', 'disputed');
    await pressUntil(id, 'Dispute is lost', 'charged_back');
    for (const status of ['appeal_needs_response', 'appeal_under_review']) {
      await press('Appeal');
      await until(status, async () => (await w.order(id)).payment.dispute.status === status);
      await page.locator('#facts').getByText(status).waitFor();
      await shows('disputed');
    }
    await pressUntil(id, 'Dispute is won', 'paid');
    await line('order.dispute_won').waitFor();
  });

  test('Radar holds a payment until it is approved', async () => {
    const id = await newOrder();
    await pressUntil(id, 'Pay by card', 'paid');
    await press('Radar opens a review');
    await until('the hold', async () => (await w.order(id)).payment.hold_reason === 'in_review');
    await page.locator('#facts').getByText('in_review').waitFor();
    await press('Approve the review');
    await until('the release', async () => (await w.order(id)).payment.fulfillable);
    await w.paidOnce(id);
  });

  test('events are lost, and sent again', async () => {
    const id = await newOrder();
    await press('Lose the next events');
    await showsMessage('Done: Lose the next events.');
    await press('Pay by card');
    await line('payment_intent.succeeded: lost').waitFor();
    await until('Stripe has the money', async () => (await w.intents(id))[0].status === 'succeeded');
    assert.equal((await w.order(id)).payment.state, 'pending', 'Kasse has no event of the success');
    await pressUntil(id, 'Send the last event again', 'paid');
    await w.paidOnce(id);
  });

  test('events are lost, and a thin one makes Kasse read the payment at Stripe', async () => {
    const id = await newOrder();
    await press('Lose the next events');
    await showsMessage('Done: Lose the next events.');
    await press('Pay by card');
    await line('payment_intent.succeeded: lost').waitFor();
    await pressUntil(id, 'Send a thin event', 'paid');
    await line('(thin)').waitFor();
    await line('GET /v1/payment_intents/{intent}').first().waitFor();
    await w.paidOnce(id);
  });

  test('events arrive twice, and the order is paid once', async () => {
    const id = await newOrder();
    await press('Double the next events');
    await showsMessage('Done: Double the next events.');
    await pressUntil(id, 'Pay by card', 'paid');
    const deliveries = line('payment_intent.succeeded').filter({ hasText: 'Kasse answered' });
    await until('both deliveries', async () => (await deliveries.count()) === 2);
    assert.equal(await line('order.paid').count(), 1);
    await w.paidOnce(id);
  });

  test('events are late', async () => {
    const id = await newOrder();
    await press('Delay the next events by 10 s');
    await showsMessage('Done: Delay the next events by 10 s.');
    await press('Pay by card');
    await line('payment_intent.succeeded: delayed').waitFor();
    await pressUntil(id, 'Let the days pass', 'paid');
    await w.paidOnce(id);
  });

  test('Stripe does not answer, and answers again', async () => {
    const id = await newOrder();
    await press('Stripe down');
    await page.getByText('Stripe does not answer.').waitFor();
    const other = await developer(); // another window
    await other.getByText('Stripe does not answer.').waitFor();
    await other.context().close();
    await button('New order').click();
    await page.locator('#result[data-bad=yes]').filter({ hasText: 'New order: ' }).waitFor();
    await page.getByRole('link', { name: 'no payment' }).first().click();
    await line('Stripe did not answer.').first().waitFor();
    assert.equal((await w.order(new URL(page.url()).hash.slice(1))).payment, null);
    await press('Stripe up again');
    await page.getByText('Stripe answers.').waitFor();
    await page.goto(`${w.console}/#${id}`);
    await pressUntil(id, 'Pay by card', 'paid');
  });

  test('changes by other programs show up without a reload, in the list too', async () => {
    const { payment_intent: intent } = await w.open({ order_id: 'shop-7', amount: 1999, currency: 'usd' });
    await page.getByRole('link', { name: 'shop-7' }).click();
    await shows('pending');
    await w.controlStripe(`/payments/${intent}/status`, { status: 'succeeded' });
    await shows('paid');
    await page.getByRole('link', { name: /shop-7 \$19\.99 paid/ }).waitFor();
    await page.getByRole('link', { name: 'Everything' }).click();
    await page.getByRole('heading', { name: 'Everything' }).waitFor();
    await w.intents('none'); // reads a list, which belongs to no order
    await line('Another server asked').filter({ hasText: 'GET /v1/payment_intents' }).first().waitFor();
    await line('Of order shop-7.').first().waitFor();
    assert.equal(await button('Pay by card').count(), 0);
    await page.route('**/api/changes', (route) => route.abort());
    await page.goto(`${w.console}/#nothing`);
    await page.reload();
    await page.getByText('No connection to kasse-dev.').waitFor();
    await page.unroute('**/api/changes');
    await page.getByText('Live', { exact: true }).waitFor();
    await page.locator('#result[data-bad=yes]').waitFor();
  });

  test('a checkout that is open at the same time shows the effect of the buttons', async (t) => {
    const ada = await shopper(t, w);
    const id = await ada.checkOut();
    await ada.method('SEPA Direct Debit', { iban: 'DE89370400440532013000' });
    await ada.pay();
    await ada.shows(onItsWay);
    await page.getByRole('link', { name: id }).click();
    await shows('processing');
    await line('The page asked.').first().waitFor();
    await line('POST /v1/customer_sessions').first().waitFor();
    await pressUntil(id, 'Debit settles', 'paid');
    await ada.shows(paid);
  });

  test('with only the keyboard', async () => {
    const focus = () => page.evaluate(() => document.activeElement?.textContent);
    const tabTo = async (name) => {
      for (let i = 0; i < 300 && (await focus()) !== name; i++) await page.keyboard.press('Tab');
      assert.equal(await focus(), name);
    };
    const before = page.url();
    await tabTo('New order');
    await page.keyboard.press('Enter');
    await until('the new order', () => page.url() !== before);
    await shows('pending');
    await tabTo('Card is declined');
    await page.keyboard.press('Space');
    await shows('failed');
    assert.equal(await focus(), 'Card is declined', 'the focus does not move');
  });

  test('axe finds no violation, in light and wide, in dark and narrow', async () => {
    const id = await newOrder();
    await pressUntil(id, 'Card is declined', 'failed');
    await pressUntil(id, 'Pay by card', 'paid');
    await pressUntil(id, 'Customer disputes', 'disputed');
    for (const [colorScheme, width] of [['dark', 360], ['light', 1280]]) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 960 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} px too wide for ${width}`);
      await page.screenshot({ path: `${folder}console-${colorScheme}-${width}.png` });
      assert.deepEqual(await axeViolations(page), [], `${colorScheme}, ${width}`);
    }
  });

  test('each button was pressed, and no secret was shown', async () => {
    await Promise.all(reading);
    assert.deepEqual(faults, []);
    assert.ok(reading.length > 100, 'responses were read');
    assert.ok(buttons.size > 25, `only ${buttons.size} buttons were found`);
    assert.deepEqual([...buttons].filter((name) => !pressed.has(name)), []);
  });
});
