// Each way to pay, as a customer goes it, and what the shop's backend sees in the end.
import assert from 'node:assert/strict';
import { test, describe } from 'node:test';
import { cards, onItsWay, paid, refused, shopper, until, waitsForYou, world } from './harness.mjs';

describe('paying', { concurrency: 2 }, () => {
  const w = world();

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

  test('with a new card as a guest, who has nothing saved and can save nothing', async (t) => {
    const guest = await shopper(t, w);
    await guest.checkOut({ as: 'Guest' });
    await guest.card(cards.pays);
    assert.equal(await guest.page.getByRole('radio', { name: '••••' }).count(), 0);
    assert.equal(await guest.page.getByRole('checkbox').count(), 0);
    await guest.pay();
    await guest.shows(paid);
    await w.paidOnce(guest.order);
  });

  test('a card that is saved is there the next time; one that is removed is not', async (t) => {
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

  test('a card that is not to be saved is not', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card('5555555555554444');
    await ada.pay();
    await ada.shows(paid);
    await ada.checkOut();
    assert.equal(await ada.page.getByRole('radio', { name: 'Mastercard •••• 4444' }).count(), 0);
  });

  test('with redirect: always a card returns at once, with the secret in the address for a moment only', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut({ redirect: 'always' });
    const arrival = ada.page.waitForRequest((request) => request.isNavigationRequest() && request.url().includes('/return?'));
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
    const offered = await ada.page.getByRole('radio').evaluateAll((radios) => radios.map((radio) => radio.labels[0].textContent));
    assert.ok(offered.some((label) => label.startsWith('iDEAL')), `offered: ${offered}`);
    assert.ok(!offered.some((label) => /sofort/i.test(label)), `offered: ${offered}`);
  });

  test('at the bank, which says no: the next try is the same payment', async (t) => {
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
      const asked = [];
      ada.page.on('request', (request) => request.url().endsWith('?wait=25') && asked.push(request.headers()));
      await ada.pay();
      await ada.shows(onItsWay);
      await ada.page.getByText('We will write to ada@example.com').waitFor();
      assert.equal((await w.order(ada.order)).payment.fulfillable, false);
      await until('a poll that is held', () => asked.some((headers) => /^"\d+"$/.test(headers['if-none-match'])));
      await w.settle(ada.order);
      await ada.shows(paid);
      const [{ client_secret: secret }] = await w.intents(ada.order);
      assert.ok(asked.every((headers) => headers.authorization === `Bearer ${secret}`), 'the page asks by the client secret');
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
    await ada.says('Your card was declined.');
    assert.equal((await w.reaches(ada.order, 'failed')).failure.code, 'card_declined');
    await ada.card(cards.pays);
    await ada.pay();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('3-D Secure in the page: agreed, refused, and closed', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card(cards.challenge);
    await ada.pay();
    await w.reaches(ada.order, 'action_required');
    await ada.bank('Fail', ada.challenge());
    await ada.says('failed authentication');
    await ada.pay();
    await ada.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await ada.says('failed authentication');
    await ada.pay();
    await ada.bank('Authorize', ada.challenge());
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('3-D Secure, and back by the address', async (t) => {
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
    test(`what is saved of ${name} is a debit, which pays the next time`, async (t) => {
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

  test('every kind of saved method that the currency allows is shown, newest first, three at most', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut({ region: 'United States' });
    const { customer } = (await w.order(ada.order)).payment;
    for (const method of ['pm_link', 'pm_sepaDebit', 'pm_usBankAccount_success']) {
      await w.lever(`/customers/${customer}/payment_methods`, { payment_method: method, allow_redisplay: 'always' });
    }
    await w.lever(`/customers/${customer}/payment_methods`, { payment_method: 'pm_card_amex', allow_redisplay: 'limited' });
    await ada.page.reload();
    await ada.payable();
    const shown = await ada.page.getByRole('radio').evaluateAll((radios) => radios.map((radio) => radio.labels[0].textContent));
    assert.deepEqual(shown, ['Bank account •••• 6789STRIPE TEST BANK', 'Linkjenny@example.com', 'New card', 'US bank account', 'Link']);
  });

  test('by a voucher, which is paid elsewhere days later: its details are shown, and again on coming back', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.method('Multibanco');
    await ada.pay();
    const details = ada.page.getByRole('dialog', { name: 'Payment details' });
    await details.getByText('Entity').waitFor();
    await details.getByRole('button', { name: 'Close' }).click();
    await ada.shows(waitsForYou);
    assert.equal((await w.order(ada.order)).payment.next, 'wait');
    await ada.page.goto(`${w.shop}/checkout?order=${ada.order}`); // days later
    await ada.page.getByText(/You have chosen to pay elsewhere, by /).waitFor();
    assert.equal(await ada.payButton().count(), 0);
    await ada.page.getByRole('button', { name: 'Show the details' }).click();
    await details.getByRole('button', { name: 'Close' }).click();
    await ada.shows(waitsForYou);
    await w.settle(ada.order);
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  test('paid elsewhere while the page opens: it goes on to the outcome', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.route('**/v1/payments', async (route) => {
      const response = await route.fetch();
      const { payment_intent: id } = await response.json();
      await w.lever(`/payments/${id}/status`, { status: 'succeeded' });
      await route.fulfill({ response });
    });
    await ada.toPayment();
    await ada.shows(paid);
    await w.paidOnce(ada.order);
  });

  for (const action of ['display_bank_transfer_instructions', 'verify_with_microdeposits']) {
    test(`${action}: the page shows the details, and no form`, async (t) => {
      const ada = await shopper(t, w);
      await ada.toPayment();
      await ada.payable();
      const [{ id }] = await w.intents(ada.order);
      await w.lever(`/payments/${id}/action`, { type: action });
      await w.reaches(ada.order, 'action_required');
      await ada.page.reload();
      await ada.page.getByText('You have chosen to pay elsewhere').waitFor();
      await ada.page.getByRole('button', { name: 'Show the details' }).click();
      await ada.page.getByRole('dialog', { name: 'Payment details' }).getByRole('button', { name: 'Close' }).click();
      await ada.shows(waitsForYou);
    });
  }

  test('what is missing is said beside its field, and nothing is sent', async (t) => {
    const ada = await shopper(t, w);
    await ada.checkOut();
    await ada.card('4242424242424241');
    await ada.pay();
    await ada.says('Your card number is invalid.');
    assert.equal(await ada.page.getByLabel('Card number').getAttribute('aria-invalid'), 'true');
    assert.equal(await ada.page.getByLabel('Card number').evaluate((field) => field.getRootNode().activeElement === field), true);
    assert.equal((await w.intents(ada.order))[0].status, 'requires_payment_method');
    await until('nobody was asked', async () => (await w.charges(ada.order)).length === 0);
  });
});
