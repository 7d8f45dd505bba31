// Each payment method, used as a customer does, and the result that the shop's backend sees.
import assert from 'node:assert/strict';
import { test, describe } from 'node:test';
import { cards, environment, onItsWay, paid, refused, shopper, until } from './harness.mjs';

/** The labels of the payment methods that the page offers. */
function labels({ page }) {
  return page.getByRole('radio').evaluateAll((radios) => radios.map((radio) => radio.labels[0].textContent));
}

describe('paying', { concurrency: 2 }, () => {
  const w = environment();

  test('with a saved card, without leaving the page', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.page.evaluate(() => (window.stayed = true));
    await ada.choose('Visa •••• 4242');
    await ada.pay();
    await ada.shows(paid);
    assert.equal(await ada.page.evaluate(() => window.stayed), true);
    await ada.page.getByText('visa •••• 4242').waitFor();
    await ada.page.getByRole('link', { name: 'From Stripe' }).waitFor();
    await w.paidOnce(ada.order);
  });

  test('with a new card as a guest, who has no saved methods and cannot save one', async (t) => {
    const guest = await shopper(t, w);
    await guest.checkOut({ as: 'Guest' });
    await guest.card(cards.pays);
    assert.equal(await guest.page.getByRole('radio', { name: '••••' }).count(), 0);
    assert.equal(await guest.page.getByRole('checkbox').count(), 0);
    await guest.pay();
    await guest.shows(paid);
    await w.paidOnce(guest.order);
  });

  test('a saved card is offered the next time; a removed one is not', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card('5555555555554444', true);
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);

    const first = ada.order;
    await ada.checkOut();
    assert.notEqual(ada.order, first);
    await ada.page.getByRole('radio', { name: 'Mastercard •••• 4444' }).waitFor();
    await ada.page.getByRole('button', { name: 'Remove Visa •••• 4242' }).click();
    await ada.page.getByRole('radio', { name: 'Visa •••• 4242' }).waitFor({ state: 'detached' });
    await ada.page.reload();
    await ada.payable();
    assert.equal(await ada.page.getByRole('radio', { name: '••••' }).count(), 1);
    await ada.choose('Mastercard •••• 4444');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('a card is not saved unless the customer asks for it', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card('5555555555554444');
    await ada.pay();
    await ada.shows(paid);
    await ada.checkOut();
    assert.equal(await ada.page.getByRole('radio', { name: 'Mastercard •••• 4444' }).count(), 0);
  });

  test('with redirect: always, a card returns at once, and the secret is removed from the address', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut({ redirect: 'always' });
    const returns = (request) => request.isNavigationRequest() && request.url().includes('/return?');
    const arrival = ada.page.waitForRequest(returns);
    await ada.pay();
    const sent = new URL((await arrival).url()).searchParams;
    const [intent] = await w.intents(ada.order);
    assert.equal(sent.get('order'), ada.order);
    assert.equal(sent.get('payment_intent'), intent.id);
    assert.equal(sent.get('payment_intent_client_secret'), intent.client_secret);
    assert.equal(sent.get('redirect_status'), 'succeeded');
    await ada.shows(paid);
    assert.equal(new URL(ada.page.url()).search, `?order=${ada.order}`);
    assert.equal((await (await ada.page.request.get(w.shop + '/return')).headers())['referrer-policy'], 'no-referrer');
    await w.paidOnce(ada.order);
  });

  for (const bank of ['iDEAL', 'Bancontact', 'EPS']) {
    test(`at the bank, by ${bank}`, async (t) => {
      const ada = await shopper(t, w);
      await ada.checkOut();
      await ada.method(bank);
      await ada.pay();
      await ada.shows('Test bank');
      await ada.bank('Authorize');
      await ada.shows(paid);
      assert.equal(new URL(ada.page.url()).search, `?order=${ada.order}`);
      await w.paidOnce(ada.order);
    });
  }

  test('Sofort has ended and is not offered', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.payable();
    const offered = await labels(ada);
    assert.ok(offered.some((label) => label.startsWith('iDEAL')), `offered: ${offered}`);
    assert.ok(!offered.some((label) => /sofort/i.test(label)), `offered: ${offered}`);
  });

  test('the bank refuses: the next try is the same payment', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('iDEAL');
    await ada.pay();
    await ada.bank('Fail');
    await ada.shows(refused);
    await ada.follow('Try again');
    await ada.payable();
    await ada.choose('Visa');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('by Link', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('Link');
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  for (const [name, region, details] of [
    ['SEPA Direct Debit', 'Europe', { iban: 'DE89370400440532013000' }],
    ['US bank account', 'United States', { account: '000123456789' }],
  ]) {
    test(`by ${name}, which settles later`, async (t) => {
      const ada = await shopper(t, w);
      await ada.checkOut({ region });
      await ada.method(name, details);
      const polls = [];
      ada.page.on('request', (request) => request.url().endsWith('?wait=25') && polls.push(request.headers()));
      await ada.pay();
      await ada.shows(onItsWay);
      await ada.page.getByText('We will write to ada@example.com').waitFor();
      assert.equal((await w.order(ada.order)).payment.fulfillable, false);
      await until('a long poll', () => polls.some((headers) => /^"\d+"$/.test(headers['if-none-match'])));
      await w.settle(ada.order);
      await ada.shows(paid);
      const [{ client_secret: secret }] = await w.intents(ada.order);
      assert.ok(polls.every((headers) => headers.authorization === `Bearer ${secret}`), 'polls use the client secret');
      await w.paidOnce(ada.order);
    });
  }

  test('by a debit that fails later: the next try is the same payment', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('SEPA Direct Debit', { iban: 'DE62370400440532013001' });
    await ada.pay();
    await ada.shows(onItsWay);
    await w.settle(ada.order, true);
    await ada.shows(refused);
    await ada.follow('Try again');
    await ada.payable();
    await ada.card(cards.pays);
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('a declined card and its retry on the same page', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card(cards.declined);
    await ada.pay();
    await ada.showsError('Your card was declined.');
    assert.equal((await w.reaches(ada.order, 'failed')).failure.code, 'card_declined');
    await ada.card(cards.pays);
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('3-D Secure in the page: refused, closed, and authorised', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card(cards.challenge);
    await ada.pay();
    await w.reaches(ada.order, 'action_required');
    await ada.bank('Fail', ada.challenge());
    await ada.showsError('failed authentication');
    await ada.pay();
    await ada.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await ada.showsError('failed authentication');
    await ada.pay();
    await ada.bank('Authorize', ada.challenge());
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('3-D Secure with redirect: always', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut({ redirect: 'always' });
    await ada.card(cards.challenge);
    await ada.pay();
    await ada.bank('Authorize', ada.challenge());
    await ada.page.waitForURL('**/return?*');
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  for (const name of ['iDEAL', 'Bancontact']) {
    test(`${name} saves a debit, which pays the next time`, async (t) => {
      const ada = await shopper(t, w);
      await ada.checkOut();
      await ada.method(name, { save: true });
      await ada.pay();
      await ada.bank('Authorize');
      await ada.shows(paid);
      await ada.checkOut();
      await ada.choose('SEPA Direct Debit ••••');
      await ada.pay();
      await ada.shows(onItsWay);
      await w.settle(ada.order);
      await ada.shows(paid);
      await w.paidOnce(ada.order);
    });
  }

  test('saved methods of every type that the currency allows are shown, newest first, at most three', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut({ region: 'United States' });
    const { customer } = (await w.order(ada.order)).payment;
    const save = (method, redisplay) => w.controlStripe(
      `/customers/${customer}/payment_methods`, { payment_method: method, allow_redisplay: redisplay },
    );
    for (const method of ['pm_link', 'pm_sepaDebit', 'pm_usBankAccount_success']) await save(method, 'always');
    await save('pm_card_amex', 'limited');
    await ada.page.reload();
    await ada.payable();
    assert.deepEqual(await labels(ada), [
      'Bank account •••• 6789STRIPE TEST BANK', 'Linkjenny@example.com', 'New card', 'US bank account', 'Link',
    ]);
  });

  test('an invalid field shows its error, and no request is sent', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card('4242424242424241');
    await ada.pay();
    await ada.showsError('Your card number is invalid.');
    const number = ada.page.getByLabel('Card number');
    assert.equal(await number.getAttribute('aria-invalid'), 'true');
    assert.equal(await number.evaluate((field) => field.getRootNode().activeElement === field), true);
    assert.equal((await w.intents(ada.order))[0].status, 'requires_payment_method');
    assert.equal((await w.charges(ada.order)).length, 0);
  });
});
