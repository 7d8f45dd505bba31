// The look of the page: every end state in light and dark, wide and narrow; with only the keyboard; without motion. The
// screenshots are in test/e2e/screenshots, which git ignores.
import assert from 'node:assert/strict';
import { test, describe } from 'node:test';
import { axeViolations, cards, environment, folder, onItsWay, paid, refused, shopper } from './harness.mjs';

/** Takes screenshots of the page as it is now, and checks it with axe. */
async function look(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name} is ${overflow} px too wide for ${width}`);
      await page.screenshot({ path: `${folder}${name}-${colorScheme}-${width}.png`, fullPage: true });
    }
    assert.deepEqual(await axeViolations(page), [], `${name}, ${colorScheme}`);
  }
}

describe('looks', { concurrency: 2 }, () => {
  const w = environment();

  test('cart, payment, incomplete form, decline, paid', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.goto(w.shop + '/');
    await ada.page.getByText('€42.00').waitFor();
    await look(ada.page, 'cart');
    await ada.checkOut();
    await look(ada.page, 'payment');
    await ada.choose('New card');
    await ada.pay();
    await ada.showsError('incomplete');
    await look(ada.page, 'incomplete');
    await ada.card(cards.declined);
    await ada.pay();
    await ada.showsError('declined');
    await look(ada.page, 'declined');
    await ada.choose('Visa');
    await ada.pay();
    await ada.shows(paid);
    await look(ada.page, 'paid');
  });

  test('amounts are in Stripe\'s minor units, not in those of Intl', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.goto(w.shop + '/');
    const written = await ada.page.evaluate(async () => {
      const { money } = await import('/shop.js');
      return ['eur', 'huf', 'cop', 'isk', 'ugx', 'jpy', 'kwd'].map((currency) => money(100000, currency));
    });
    const amounts = written.map((text) => text.replace(/^\D+/, '')).join(' ');
    assert.equal(amounts, '1,000.00 1,000.00 1,000.00 1,000.00 1,000.00 100,000 100.000');
  });

  test('debit, processing, failed', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('SEPA Direct Debit', { iban: 'DE62370400440532013001' });
    await look(ada.page, 'debit');
    await ada.pay();
    await ada.shows(onItsWay);
    await look(ada.page, 'processing');
    await ada.context.setOffline(true);
    await ada.page.getByText('No connection at the moment').waitFor();
    await look(ada.page, 'offline');
    await ada.context.setOffline(false);
    await w.settle(ada.order, true);
    await ada.shows(refused);
    await look(ada.page, 'failed');
  });

  test('loading, not available, waiting, canceled, unknown', async (t) => {
    const ada = await shopper(t, w);
    let release;
    let held = new Promise((resolve) => (release = resolve));
    const block = async (route) => (await held, route.abort());
    await ada.page.route('**/v1/payments', block, { times: 3 }); // the client tries three times
    await ada.toPayment();
    await ada.page.getByRole('button', { name: 'Loading' }).waitFor();
    await look(ada.page, 'loading');
    release();
    await ada.showsError('Check your connection');
    await look(ada.page, 'unavailable');
    await ada.page.getByRole('button', { name: 'Try again' }).click();
    await ada.payable();
    await ada.method('iDEAL');
    await ada.pay();
    await ada.shows('Test bank');
    await look(ada.page, 'bank');
    await ada.page.goto(`${w.shop}/return?order=${ada.order}`);
    await ada.shows('Waiting for your bank');
    await look(ada.page, 'waiting');
    await w.cancel(ada.order);
    await ada.shows('This payment was cancelled');
    await look(ada.page, 'canceled');
    await ada.page.goto(`${w.shop}/return?order=nothing`);
    await ada.shows('We do not know this payment');
    await look(ada.page, 'unknown');
    await ada.page.goto(`${w.shop}/checkout?order=nothing`);
    await ada.showsError('We do not know this order');
    await ada.page.route('**/api/config', (route) => route.abort());
    await ada.page.goto(`${w.shop}/return?order=nothing`);
    await ada.shows('We cannot reach the shop');
    await look(ada.page, 'unreachable');
  });

  test('a shop that captures on shipment: authorised, then paid', async (t) => {
    const ada = await shopper(t, w);
    const order = `later-${Date.now()}`;
    const terms = { order_id: order, amount: 4200, currency: 'eur', capture_method: 'manual' };
    const { payment_intent: id, client_secret: secret } = await w.open(terms);
    await w.controlStripe(`/payments/${id}/status`, { status: 'requires_capture' });
    await ada.page.goto(`${w.shop}/return?order=${order}&payment_intent=${id}&payment_intent_client_secret=${secret}`);
    await ada.shows('Your order is placed');
    await look(ada.page, 'authorized');
    await w.controlStripe(`/payments/${id}/status`, { status: 'succeeded' });
    await ada.shows(paid);
    await w.paidOnce(order);
  });

  test('3-D Secure in its dialog', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card(cards.challenge);
    await ada.pay();
    await ada.challenge().getByText('No money moves').waitFor();
    await look(ada.page, 'challenge');
    await ada.bank('Authorize', ada.challenge());
    await ada.shows(paid);
  });

  /** The name of the element with the focus, also in shadow roots, and whether the focus is visible. */
  const focused = (page) => page.evaluate(() => {
    let at = document.activeElement;
    while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    const ring = [at, at.parentElement].some((node) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(node);
      return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    });
    return { name: at.labels?.[0]?.textContent || at.getAttribute('aria-label') || at.textContent.trim(), ring };
  });

  test('with only the keyboard, and the focus is visible', async (t) => {
    const ada = await shopper(t, w);
    const { keyboard } = ada.page;
    const tabTo = async (name) => {
      for (let i = 0; i < 15; i++) {
        await keyboard.press('Tab');
        const at = await focused(ada.page);
        assert.ok(at.ring, `${at.name} shows no focus`);
        if (at.name.startsWith(name)) return;
      }
      assert.fail(`${name} cannot be reached by Tab`);
    };
    await ada.page.goto(w.shop + '/');
    await ada.page.getByText('€42.00').waitFor();
    await tabTo('Check out');
    await keyboard.press('Enter');
    await ada.payable();
    await tabTo('Visa');
    await tabTo('Remove');
    await keyboard.press('Shift+Tab');
    await keyboard.press('ArrowDown');
    assert.equal((await focused(ada.page)).name, 'New card');
    await tabTo('Card number');
    await keyboard.type('4242 4242 4242 4242');
    await tabTo('Expiration date');
    await keyboard.type('1240');
    await tabTo('Security code');
    await keyboard.type('123');
    await tabTo('Save payment details');
    await keyboard.press('Space');
    await tabTo('Pay €42.00');
    await keyboard.press('Shift+Tab');
    await keyboard.press('Shift+Tab');
    await keyboard.press('Enter'); // in a field, which submits the form
    await ada.shows(paid);
    assert.equal((await focused(ada.page)).name, paid, 'the heading has the focus, so that screen readers read it');
    assert.equal(await ada.page.title(), `${paid} · Fjord Goods`);
    await w.paidOnce(new URL(ada.page.url()).searchParams.get('order'));
  });

  test('no animation with reduced motion', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.route('**/v1/payments', () => {}); // no response, so the page continues to wait
    await ada.toPayment();
    await ada.page.locator('.skeleton').waitFor();
    const moving = () => ada.page.evaluate(() => document.getAnimations().length);
    assert.ok((await moving()) > 0, 'the skeleton shimmers');
    await ada.page.emulateMedia({ reducedMotion: 'reduce' });
    assert.equal(await moving(), 0);
  });
});
