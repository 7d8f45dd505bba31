// The console of kasse-dev: each button is pressed, and the resulting order is checked in its backend's view.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test, describe } from 'node:test';
import { axe, browser, folder, onItsWay, paid, patience, secrets, shopper, until, world } from './harness.mjs';

const checker = readFileSync(axe, 'utf8');
const guide = readFileSync(new URL('../../docs/console.md', import.meta.url), 'utf8');
const [table] = /\| state in the end[\s\S]*?\n\n/.exec(guide);

describe('the console', () => {
  const w = world({}, false);
  const pressed = new Set();
  const buttons = new Set();

  /** Opens a window for a developer. Nothing that comes to it has a secret, and it talks to no other origin. */
  async function developer() {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    context.setDefaultTimeout(patience);
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

  const flaws = [];
  const reading = [];
  let page; // one window for all tests: a new one costs more than a test
  before(async () => (page = await developer()));

  const button = (name) => page.getByRole('button', { name, exact: true });
  async function press(name) {
    pressed.add(name);
    if (await button(name).getAttribute('data-action')) await page.locator(`[aria-disabled=false]:text-is("${name}")`).waitFor();
    await button(name).click();
  }
  const shows = (state) => page.locator('#state').getByText(state, { exact: true }).waitFor();
  const says = (text) => page.locator('#said').getByText(text).waitFor();
  const line = (text) => page.locator('#timeline tr').filter({ hasText: text });

  /** Makes an order by the button, and gives its id. */
  async function newOrder(name = 'New order') {
    const before = page.url();
    await press(name);
    await until('the new order', () => page.url() !== before && page.url().includes('#console-'));
    const id = new URL(page.url()).hash.slice(1);
    await page.getByRole('heading', { name: `Order ${id}` }).waitFor();
    await shows('pending');
    return id;
  }

  /** Presses a button, waits until Kasse and the page have the state, and gives the payment. */
  async function brings(id, name, state) {
    await press(name);
    const payment = await w.reaches(id, state);
    await shows(state);
    return payment;
  }

  test('an order is declined, then paid, and its timeline shows how', async () => {
    const id = await newOrder();
    const { failure } = await brings(id, 'Card is declined', 'failed');
    assert.deepEqual([failure.code, failure.decline_code], ['card_declined', 'insufficient_funds']);
    await brings(id, 'Pay by card', 'paid');
    for (const text of ['attempt 1: pending', 'pending → failed', 'failed → paid', 'POST /v1/payment_intents', 'payment_intent.succeeded', 'order.paid']) {
      await line(text).first().waitFor();
    }
    await line('Kasse answered 200: applied').first().waitFor();
    await page.setViewportSize({ width: 1200, height: 860 });
    await page.screenshot({ path: `${folder}console.png` }); // make console-picture
    assert.match(await line('POST /v1/payment_intents').locator('td').last().textContent(), /^\d+\.\d$/, 'its latency in ms');
    await page.getByLabel('requests to Stripe').uncheck();
    assert.equal(await line('POST /v1/payment_intents').count(), 0);
    await page.getByLabel('requests to Stripe').check();
    await says('Done: Pay by card.');
    await button('Debit settles').focus(); // it can be focused, and shows why it is disabled
    await page.keyboard.press('Enter');
    await says('this is not possible');
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
    const { action } = await brings(voucher, 'Get a voucher', 'action_required');
    assert.equal(action.type, 'multibanco_display_details');
    await press('Let the days pass');
    await says('5 days have passed.');
    assert.equal((await w.order(voucher)).payment.state, 'action_required', 'it can be paid for seven days');
    await brings(voucher, 'Let the days pass', 'failed');
    const hold = await newOrder('New order, captured later');
    await brings(hold, 'Pay by card', 'authorized');
    await page.getByLabel('Days').fill('8');
    await brings(hold, 'Let the days pass', 'canceled');
  });

  test('a lost dispute is appealed and won', async () => {
    const id = await newOrder();
    await brings(id, 'Pay by card', 'paid');
    await brings(id, 'Customer disputes', 'disputed');
    await brings(id, 'Dispute is lost', 'charged_back');
    for (const status of ['appeal_needs_response', 'appeal_under_review']) {
      await press('Appeal');
      await until(status, async () => (await w.order(id)).payment.dispute.status === status);
      await page.locator('#facts').getByText(status).waitFor();
      await shows('disputed');
    }
    await brings(id, 'Dispute is won', 'paid');
    await line('order.dispute_won').waitFor();
  });

  test('Radar holds a payment until it is approved', async () => {
    const id = await newOrder();
    await brings(id, 'Pay by card', 'paid');
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
    await says('Done: Lose the next events.');
    await press('Pay by card');
    await line('payment_intent.succeeded: lost').waitFor();
    await until('Stripe has the money', async () => (await w.intents(id))[0].status === 'succeeded');
    assert.equal((await w.order(id)).payment.state, 'pending', 'Kasse has no event of it');
    await brings(id, 'Send the last event again', 'paid');
    await w.paidOnce(id);
  });

  test('events are lost, and a thin one makes Kasse ask Stripe', async () => {
    const id = await newOrder();
    await press('Lose the next events');
    await says('Done: Lose the next events.');
    await press('Pay by card');
    await line('payment_intent.succeeded: lost').waitFor();
    await brings(id, 'Send a thin event', 'paid');
    await line('(thin)').waitFor();
    await line('GET /v1/payment_intents/{intent}').first().waitFor();
    await w.paidOnce(id);
  });

  test('events arrive twice, and the order is paid once', async () => {
    const id = await newOrder();
    await press('Double the next events');
    await says('Done: Double the next events.');
    await brings(id, 'Pay by card', 'paid');
    await until('both deliveries', async () => (await line('payment_intent.succeeded').filter({ hasText: 'Kasse answered' }).count()) === 2);
    assert.equal(await line('order.paid').count(), 1);
    await w.paidOnce(id);
  });

  test('events are late', async () => {
    const id = await newOrder();
    await press('Delay the next events by 10 s');
    await says('Done: Delay the next events by 10 s.');
    await press('Pay by card');
    await line('payment_intent.succeeded: delayed').waitFor();
    await brings(id, 'Let the days pass', 'paid');
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
    await page.locator('#said[data-bad=yes]').filter({ hasText: 'New order: ' }).waitFor();
    await page.getByRole('link', { name: 'no payment' }).first().click();
    await line('Stripe did not answer.').first().waitFor();
    assert.equal((await w.order(new URL(page.url()).hash.slice(1))).payment, null);
    await press('Stripe up again');
    await page.getByText('Stripe answers.').waitFor();
    await page.goto(`${w.console}/#${id}`);
    await brings(id, 'Pay by card', 'paid');
  });

  test('what happens elsewhere shows up by itself, in the list too', async () => {
    const { payment_intent: intent } = await w.open({ order_id: 'shop-7', amount: 1999, currency: 'usd' });
    await page.getByRole('link', { name: 'shop-7' }).click();
    await shows('pending');
    await w.lever(`/payments/${intent}/status`, { status: 'succeeded' });
    await shows('paid');
    await page.getByRole('link', { name: /shop-7 \$19\.99 paid/ }).waitFor();
    await page.getByRole('link', { name: 'Everything' }).click();
    await page.getByRole('heading', { name: 'Everything' }).waitFor();
    await w.intents('none'); // a list, which belongs to no order
    await line('Another server asked').filter({ hasText: 'GET /v1/payment_intents' }).first().waitFor();
    await line('Of order shop-7.').first().waitFor();
    assert.equal(await button('Pay by card').count(), 0);
    await page.route('**/api/changes', (route) => route.abort());
    await page.goto(`${w.console}/#nothing`);
    await page.reload();
    await page.getByText('No connection to kasse-dev.').waitFor();
    await page.unroute('**/api/changes');
    await page.getByText('Live', { exact: true }).waitFor();
    await page.locator('#said[data-bad=yes]').waitFor();
  });

  test('a checkout that is open beside the console shows what the buttons do', async (t) => {
    const ada = await shopper(t, w);
    const id = await ada.checkOut();
    await ada.method('SEPA Direct Debit', { iban: 'DE89370400440532013000' });
    await ada.pay();
    await ada.shows(onItsWay);
    await page.getByRole('link', { name: id }).click();
    await shows('processing');
    await line('The page asked.').first().waitFor();
    await line('POST /v1/customer_sessions').first().waitFor();
    await brings(id, 'Debit settles', 'paid');
    await ada.shows(paid);
  });

  test('by keyboard alone', async () => {
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
    assert.equal(await focus(), 'Card is declined', 'the focus stays where it was');
  });

  test('axe finds nothing, in light and wide, in dark and narrow', async () => {
    const id = await newOrder();
    await brings(id, 'Card is declined', 'failed');
    await brings(id, 'Pay by card', 'paid');
    await brings(id, 'Customer disputes', 'disputed');
    for (const [colorScheme, width] of [['dark', 360], ['light', 1280]]) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 960 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} px too wide for ${width}`);
      await page.screenshot({ path: `${folder}console-${colorScheme}-${width}.png` });
      await page.evaluate(checker);
      const { violations, passes } = await page.evaluate(() => window.axe.run());
      assert.ok(passes.length > 5, 'axe has looked');
      assert.deepEqual(violations.map(({ id: rule, nodes }) => `${rule}: ${nodes.map((node) => node.html).join(' ')}`), [], `${colorScheme}, ${width}`);
    }
  });

  test('each button was pressed, and no secret was shown', async () => {
    await Promise.all(reading);
    assert.deepEqual(flaws, []);
    assert.ok(reading.length > 100, 'answers were read');
    assert.ok(buttons.size > 25, `only ${buttons.size} buttons were found`);
    assert.deepEqual([...buttons].filter((name) => !pressed.has(name)), []);
  });
});
