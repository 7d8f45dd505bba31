// The return page: removes the secret from the address, reads the payment's status from Kasse, and shows it.
import { isKasseError, takeReturnedPayment } from './kasse.js';
import { day, fill, getOrder, money } from './shop.js';

/**
 * Removes Stripe's parameters from the address, before the page sends any request. The secret stays in this tab's history
 * entry, so a reload still has it.
 */
export function takeSecret() {
  const returned = takeReturnedPayment();
  if (returned) history.replaceState(returned, '');
}

/** Runs the page until the signal aborts. */
export async function comeBack(view, { id, connect, signal }) {
  const outcome = view.querySelector('.outcome');
  fill(view, 'order', id);
  const order = await getOrder(id).catch(() => ({}));
  if (signal.aborted) return;
  show(outcome, screens.pending(), id);

  const onTrouble = (error) => {
    view.querySelector('.trouble').textContent = error ? 'No connection at the moment. Your payment is safe; we keep asking.' : '';
  };
  try {
    const kasse = await connect();
    const { payment, clientSecret } = await whatToAsk(kasse, id);
    if (!payment) return show(outcome, screens.open(order), id);
    for await (const status of kasse.follow(payment, { clientSecret, signal, onTrouble })) {
      fill(view, 'price', money(status.amount, status.currency));
      view.querySelector('[data-price]').parentElement.hidden = false;
      show(outcome, (screens[status.state] ?? screens.settled)(order, status), id);
      if (status.state === 'paid') await showDetails(view, kasse, id);
    }
  } catch (error) {
    const unknown = error.code === 'no_such_order' || (isKasseError(error) && !error.retryable);
    if (!signal.aborted) show(outcome, unknown ? screens.unknown() : screens.unreachable(), id);
  }
}

/** The client secret of the return address. Without one, as in a tab that was opened again, the page uses the order's token. */
async function whatToAsk(kasse, id) {
  if (history.state?.clientSecret) return history.state;
  const { payment } = await kasse.order(id);
  return { payment: payment?.payment_intent };
}

/** Shows the payment method and the receipt. Only an order token gets them, and they may be known later. */
async function showDetails(view, kasse, id) {
  const { payment } = await kasse.order(id).catch(() => ({}));
  const { payment_method_details: method, receipt_url: receipt } = payment ?? {};
  const summary = [method?.brand ?? method?.type.replaceAll('_', ' '), method?.last4 && `•••• ${method.last4}`].filter(Boolean).join(' ');
  fill(view, 'method', summary);
  view.querySelector('[data-method]').parentElement.hidden = !summary;
  const link = view.querySelector('[data-receipt]');
  if (receipt) link.href = receipt;
  link.closest('div').hidden = !receipt;
}

function show(outcome, screen, id) {
  const title = outcome.querySelector('h1');
  if (title.textContent === screen.title) return;
  outcome.dataset.state = screen.tone;
  title.textContent = screen.title;
  fill(outcome, 'text', screen.text);
  const hint = outcome.querySelector('[data-hint]');
  hint.textContent = screen.hint ?? '';
  hint.hidden = !screen.hint;
  const links = (screen.links ?? []).map(([text, path, look]) => {
    const link = Object.assign(document.createElement('a'), { href: path ?? `/checkout?order=${id}`, textContent: text });
    link.className = `button ${look}`;
    return link;
  });
  outcome.querySelector('.actions').replaceChildren(...links);
  document.title = `${screen.title} · Fjord Goods`;
  title.focus({ preventScroll: true }); // a screen reader reads the new title
}

const write = (order) => (order.email ? `We will write to ${order.email}` : 'We will write to you');
const shopOn = ['Back to the shop', '/', 'quiet'];

/** The texts for each state of a payment. The words are the shop's; Kasse's codes select them. */
const screens = {
  pending: () => ({
    tone: 'pending', title: 'Checking your payment',
    text: 'This takes a few seconds. You may close this page: that changes nothing.',
    links: [['Back to the payment', undefined, 'quiet']],
  }),
  action_required: (order, { next, action }) => (next === 'wait' ? screens.elsewhere(order, action) : screens.bank()),
  elsewhere: (order, action) => ({
    tone: 'later', title: 'Your order waits for your payment',
    text: `Pay with the details that you were given${action?.expires_at ? `, by ${day(action.expires_at)}` : ''}. ${write(order)} when the money has arrived.`,
    links: [['Show the details', undefined, 'primary'], shopOn],
  }),
  bank: () => ({
    tone: 'pending', title: 'Waiting for your bank',
    text: 'Your bank has not confirmed the payment yet. If you have left its page, you can go back and pay.',
    links: [['Back to the payment', undefined, 'quiet']],
  }),
  open: () => ({ tone: 'later', title: 'Not paid yet', text: 'Nobody has tried to pay this order.', links: [['Pay now', undefined, 'primary']] }),
  processing: (order) => ({
    tone: 'later', title: 'Your payment is on its way',
    text: `Your bank takes some days for this kind of payment. ${write(order)} when the money has arrived; there is nothing left to do.`,
    links: [shopOn],
  }),
  authorized: (order) => ({
    tone: 'good', title: 'Your order is placed', text: `Your card is charged when we send it. ${write(order)} then.`, links: [shopOn],
  }),
  paid: (order, { fulfillable }) => ({
    tone: 'good', title: 'Thank you, your order is paid',
    text: fulfillable ? `${write(order)} when the kettle is on its way.` : `We have your money, and look at the order by hand. ${write(order)}.`,
    links: [shopOn],
  }),
  failed: (_, { failure }) => ({
    tone: 'bad', title: 'The payment did not go through', text: `${reason(failure)} Nothing was charged.`,
    hint: 'Your order is kept. Try again with the same or another payment method.',
    links: [['Try again', undefined, 'primary'], shopOn],
  }),
  canceled: () => ({
    tone: 'bad', title: 'This payment was cancelled', text: 'Nothing was charged.', links: [['Back to the cart', '/', 'primary']],
  }),
  settled: () => ({ tone: 'later', title: 'Your order has changed', text: 'The payment was returned, or is being looked at. We will write to you.', links: [shopOn] }),
  unknown: () => ({ tone: 'bad', title: 'We do not know this payment', text: 'The address is incomplete or too old. If you have paid, we will write to you.', links: [shopOn] }),
  unreachable: () => ({
    tone: 'bad', title: 'We cannot reach the shop', text: 'Check your connection, then reload this page. If you have paid, nothing is lost.', links: [shopOn],
  }),
};

function reason(failure) {
  const texts = {
    insufficient_funds: 'There was not enough money on the account.',
    expired_card: 'The card has expired.',
    incorrect_cvc: 'The card’s security code was wrong.',
    payment_intent_authentication_failure: 'Your bank could not confirm that it was you.',
    card_declined: 'Your bank has declined the card.',
  };
  return texts[failure?.decline_code] ?? texts[failure?.code] ?? 'Your bank has refused the payment.';
}
