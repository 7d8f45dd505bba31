// Payments that the customer makes outside of the page: vouchers, bank transfers, and other devices.
import assert from 'node:assert/strict';
import { test, describe } from 'node:test';
import { environment, paid, shopper, waitsForYou } from './harness.mjs';

describe('paying elsewhere', { concurrency: 2 }, () => {
  const w = environment();

  test('a voucher is paid days later: the page shows its details, also when opened again', async (t) => {
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

  test('a payment succeeds while the page opens: the page shows the result', async (t) => {
    const ada = await shopper(t, w);
    await ada.page.route('**/v1/payments', async (route) => {
      const response = await route.fetch();
      const { payment_intent: id } = await response.json();
      await w.controlStripe(`/payments/${id}/status`, { status: 'succeeded' });
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
      await w.controlStripe(`/payments/${id}/action`, { type: action });
      await w.reaches(ada.order, 'action_required');
      await ada.page.reload();
      await ada.page.getByText('You have chosen to pay elsewhere').waitFor();
      await ada.page.getByRole('button', { name: 'Show the details' }).click();
      const details = ada.page.getByRole('dialog', { name: 'Payment details' });
      await details.getByRole('button', { name: 'Close' }).click();
      await ada.shows(waitsForYou);
    });
  }
});
