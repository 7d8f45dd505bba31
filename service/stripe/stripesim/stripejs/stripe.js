// The surface of Stripe.js: https://docs.stripe.com/js.
class IntegrationError extends Error {
  name = 'IntegrationError';
}

class Elements {
  #payment; #loading;

  constructor(key, options) {
    if (!/^pi_\w+_secret_\w+$/.test(options?.clientSecret ?? '')) {
      throw new IntegrationError('In order to create a payment element, you must pass a valid PaymentIntent clientSecret when creating the Elements instance.');
    }
    this.key = key;
    this.clientSecret = options.clientSecret;
    this.customerSessionClientSecret = options.customerSessionClientSecret;
    this.appearance = options.appearance;
  }

  /** Loads the intent and the customer session once: an element that is made again does not use the session a second time. */
  load() {
    this.#loading ??= this.#fetch().catch((error) => {
      this.#loading = undefined;
      return { error };
    });
    return this.#loading;
  }

  async #fetch() {
    const { key, clientSecret, customerSessionClientSecret: session } = this;
    const [intent, opened] = await Promise.all([retrieve(key, clientSecret), session ? openSession(key, session) : { value: null }]);
    const error = intent.error ?? unusable(intent.value) ?? opened.error;
    if (error) throw error;
    return { intent: intent.value, session: opened.value };
  }

  create(type) {
    if (type !== 'payment') throw new IntegrationError(`The simulator has no element of the type ${type}.`);
    if (this.#payment) throw new IntegrationError('Can only create one Element of type payment through an Elements instance.');
    return (this.#payment = new PaymentElement(this));
  }

  getElement(type) {
    return type === 'payment' ? (this.#payment ?? null) : null;
  }

  update({ appearance = this.appearance }) {
    this.appearance = appearance;
    this.#payment?.dress(appearance);
  }

  async submit() {
    const { error } = this.#submitted();
    return error ? { error } : {};
  }

  async fetchUpdates() {
    return {};
  }

  drop(element) {
    if (this.#payment === element) this.#payment = undefined;
  }

  #submitted() {
    if (!this.#payment) throw new IntegrationError('Invalid value for elements: it should have a mounted Payment Element.');
    return this.#payment.submit();
  }

  form() {
    return this.#submitted();
  }
}

/**
 * Returns the error of an intent that no form can pay any more. Stripe.js refuses these since its version clover; here every version does:
 * https://docs.stripe.com/changelog/clover/2025-09-30/client-secret-reuse.
 */
function unusable({ status, next_action: action }) {
  const over = ['succeeded', 'canceled', 'processing', 'requires_capture'].includes(status);
  const voucher = status === 'requires_action' && /^(boleto|oxxo|us_cash_voucher)_display_details$/.test(action?.type ?? '');
  if (!over && !voucher) return undefined;
  return {
    type: 'invalid_request_error', code: 'payment_intent_unexpected_state',
    message: `This PaymentIntent cannot be used to initialize Elements, because it has a status of ${status}.`,
  };
}

/** The shop's address with what Stripe appends to it; the shop's own parameters stay. */
function addressOf(returnURL, intent) {
  const url = new URL(returnURL);
  const outcome = { succeeded: 'succeeded', requires_capture: 'succeeded', processing: 'pending' };
  url.searchParams.set('payment_intent', intent.id);
  url.searchParams.set('payment_intent_client_secret', intent.client_secret);
  url.searchParams.set('redirect_status', outcome[intent.status] ?? 'failed');
  return url.href;
}

/** Leaves the page. Code that awaits this is never resumed, as with Stripe's own. */
function leaveTo(url) {
  location.assign(url);
  return new Promise(() => {});
}

async function confirmPayment(key, { elements, confirmParams = {}, redirect = 'always' }) {
  const { return_url: returnURL } = confirmParams;
  if (redirect === 'always' && !returnURL) {
    throw new IntegrationError('confirmPayment(): you must provide a return_url, unless redirect is if_required and no payment method redirects.');
  }
  const { form, error } = elements.form();
  if (error) return { error };
  let answer = await confirm(key, elements.clientSecret, { ...form, ...(returnURL && { return_url: returnURL }) });
  if (answer.error) return answer;
  const action = answer.value.next_action;
  if (action?.type === 'redirect_to_url') return leaveTo(action.redirect_to_url.url);
  if (action?.type === 'use_stripe_sdk') {
    await challenge(action.use_stripe_sdk.stripe_js);
    answer = await retrieve(key, elements.clientSecret);
    if (answer.error) return answer;
    if (answer.value.last_payment_error) return { error: { ...answer.value.last_payment_error, payment_intent: answer.value } };
  }
  if (isElsewhere(action)) await showDetails(action);
  if (redirect === 'always') return leaveTo(addressOf(returnURL, answer.value));
  return { paymentIntent: answer.value };
}

/** Carries out the next_action of a payment: leaves the page, shows the bank's challenge, or the details for paying elsewhere. */
async function handleNextAction(key, { clientSecret } = {}) {
  let answer = await retrieve(key, clientSecret ?? '');
  if (answer.error) return answer;
  const action = answer.value.next_action;
  if (answer.value.status !== 'requires_action') return { paymentIntent: answer.value };
  if (action.type === 'redirect_to_url') return leaveTo(action.redirect_to_url.url);
  if (action.type === 'use_stripe_sdk') {
    await challenge(action.use_stripe_sdk.stripe_js);
    answer = await retrieve(key, clientSecret);
    if (answer.error) return answer;
    if (answer.value.last_payment_error) return { error: { ...answer.value.last_payment_error, payment_intent: answer.value } };
  }
  if (isElsewhere(action)) await showDetails(action);
  return { paymentIntent: answer.value };
}

/** Methods that wrappers such as react-stripe-js look for, and that the simulator does not imitate. */
const absent = (...names) => Object.fromEntries(names.map((name) => [name, () => { throw new IntegrationError(`The simulator has no ${name}.`); }]));

window.Stripe = function Stripe(key) {
  if (!/^pk_test_/.test(key ?? '')) throw new IntegrationError('Please call Stripe() with your publishable key. You used an empty string, or a key of another kind.');
  return {
    elements: (options) => new Elements(key, options),
    confirmPayment: (options) => confirmPayment(key, options),
    handleNextAction: (options) => handleNextAction(key, options),
    ...absent('createToken', 'createPaymentMethod', 'confirmCardPayment'),
    _registerWrapper() {},
    registerAppInfo() {},
    async retrievePaymentIntent(clientSecret) {
      const { value, error } = await retrieve(key, clientSecret);
      return error ? { error } : { paymentIntent: value };
    },
  };
};
window.Stripe.version = 3;
