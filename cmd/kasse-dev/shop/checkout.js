// The checkout: gets the secrets from Kasse, mounts Stripe's Payment Element, and confirms the payment.
import { isKasseError } from './kasse.js';
import { day, fill, getConfig, getOrder, loadStripe, money } from './shop.js';

const offline = 'We could not reach the payment service. Check your connection, then try again.';
const dark = matchMedia('(prefers-color-scheme: dark)');

/** The appearance of the element, which is in a frame: the shop's stylesheet does not apply there. */
const appearance = () => ({
  theme: dark.matches ? 'night' : 'stripe',
  variables: dark.matches
    ? { colorPrimary: '#7fd6bf', colorBackground: '#1b2129', colorText: '#eef1f4', colorTextSecondary: '#a9b4bf', colorDanger: '#ffb0a8', borderRadius: '12px' }
    : { colorPrimary: '#1d5c4d', colorBackground: '#ffffff', colorText: '#1d2527', colorTextSecondary: '#566167', colorDanger: '#b3261e', borderRadius: '12px' },
});

/** Runs the page until the signal aborts. redirect is 'always' if cards use the return_url too, else 'if_required'. */
export async function checkout(view, { id, connect, go, signal, redirect = 'if_required' }) {
  document.title = 'Payment · Fjord Goods';
  const form = view.querySelector('form');
  const button = form.querySelector('.primary');
  const again = form.querySelector('[data-again]');
  const problem = form.querySelector('.problem');
  const elsewhere = view.querySelector('[data-elsewhere]');
  const outcome = `/return?order=${id}`;
  let kasse, stripe, opened, session, elements;
  let paying = false;

  const ready = (is) => {
    form.ariaBusy = String(!is);
    button.ariaDisabled = String(!is);
    button.hidden = false;
    again.hidden = true;
  };
  /** Shows why the order cannot be paid. If the payment has continued in another tab or before a reload, it shows the status. */
  const fail = (error) => {
    if (signal.aborted) return;
    if (isKasseError(error) && error.payment) return go(outcome, { replace: true });
    problem.textContent = refusals[error.code] ?? offline;
    form.querySelector('.skeleton').hidden = true;
    button.hidden = true;
    again.hidden = false;
  };

  async function start() {
    problem.textContent = '';
    fill(view, 'label', 'Loading');
    form.querySelector('.skeleton').hidden = false;
    ready(false);
    try {
      const { amount, currency } = await getOrder(id);
      fill(view, 'order', id);
      fill(view, 'price', money(amount, currency));
      kasse = await connect();
      const [config, answer] = await Promise.all([getConfig(), kasse.open()]);
      const loaded = await loadStripe(config.stripe_js, answer.publishable_key);
      if (signal.aborted) return;
      [stripe, opened, session] = [loaded, answer, answer.customer_session];
      fill(view, 'price', money(opened.amount, opened.currency)); // Kasse's amount is the one that is paid
      if (opened.action && opened.next === 'wait') return payElsewhere();
      mount();
    } catch (error) {
      fail(error);
    }
  }

  /** Mounts the element. If it does not load, its customer session may be used or expired: a new one is fetched, once. */
  function mount(mayRenew = Boolean(session)) {
    elements?.getElement('payment')?.destroy();
    elements = stripe.elements({
      clientSecret: opened.client_secret,
      customerSessionClientSecret: session?.client_secret,
      appearance: appearance(),
    });
    const element = elements.create('payment', { layout: 'accordion' });
    element.on('ready', () => {
      fill(view, 'label', `Pay ${money(opened.amount, opened.currency)}`);
      ready(true);
    });
    element.on('loaderror', ({ error }) => {
      if (error.code === 'payment_intent_unexpected_state') goOn(true); // paid, or on its way, since it was opened
      else if (mayRenew) renew();
      else fail(error);
    });
    element.mount(view.querySelector('[data-element]'));
  }

  /**
   * Shows the details of an open voucher or transfer, which the customer pays elsewhere within days. Stripe.js makes no
   * form for such a payment.
   */
  function payElsewhere() {
    const { expires_at: end } = opened.action;
    form.hidden = true;
    elsewhere.hidden = false;
    fill(view, 'how', `You have chosen to pay elsewhere${end ? `, by ${day(end)}` : ''}. We send the kettle when your payment has arrived.`);
    view.querySelector('[data-details]').addEventListener('click', showDetails, { signal });
  }

  async function showDetails() {
    const notice = elsewhere.querySelector('.problem');
    notice.textContent = '';
    const { error } = await stripe.handleNextAction({ clientSecret: opened.client_secret }).catch(() => ({ error: {} }));
    if (signal.aborted) return;
    if (error) notice.textContent = error.message ?? offline;
    else goOn();
  }

  /** Goes to the return page, which reads the status from Kasse: the result in the browser decides nothing. */
  const goOn = (replace = false) => go(outcome, { state: { payment: opened.payment_intent, clientSecret: opened.client_secret }, replace });

  async function renew() {
    ready(false);
    try {
      session = await kasse.refreshSession(opened.payment_intent);
      if (!signal.aborted) mount(false);
    } catch (error) {
      fail(error);
    }
  }

  async function pay() {
    if (paying || button.ariaDisabled === 'true') return; // a second click pays nothing
    paying = true;
    button.ariaDisabled = 'true';
    fill(view, 'label', 'Paying');
    problem.textContent = '';
    const { error, paymentIntent } = await stripe
      .confirmPayment({ elements, confirmParams: { return_url: location.origin + outcome }, redirect })
      .catch(() => ({ error: { type: 'api_error' } }));
    if (signal.aborted) return;
    paying = false;
    if (error && error.code !== 'payment_intent_unexpected_state') {
      button.ariaDisabled = 'false';
      fill(view, 'label', `Pay ${money(opened.amount, opened.currency)}`);
      problem.textContent = error.message ?? offline;
      return;
    }
    goOn(!paymentIntent);
  }

  form.addEventListener('submit', (event) => (event.preventDefault(), pay()), { signal });
  again.addEventListener('click', start, { signal });
  addEventListener('online', () => again.hidden || start(), { signal });
  dark.addEventListener('change', () => elements?.update({ appearance: appearance() }), { signal });
  document.addEventListener('visibilitychange', () => {
    const old = session && Date.parse(session.expires_at) < Date.now();
    if (old && !document.hidden && !paying) renew(); // a tab that was left open over lunch
  }, { signal });
  signal.addEventListener('abort', () => elements?.getElement('payment')?.destroy());
  await start();
}

/** The reasons why an order cannot be paid, by the code of Kasse's problem or of the shop's own. */
const refusals = {
  no_such_order: 'We do not know this order. Please go back to the cart.',
  order_closed: 'This order was cancelled. Nothing was charged.',
  attempts_exhausted: 'Too many attempts to pay this order have failed. Please write to us.',
  order_conflict: 'This order has changed. Please go back to the cart.',
};
