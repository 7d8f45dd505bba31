// Requests of Stripe.js to Stripe: with the publishable key, and for one payment with its client secret.
const home = new URL(document.currentScript.src).origin;

const noConnection = 'We could not reach the payment service. Check your connection, then try again.';

/** Sends one request; its answer is {value} or {error}, and never an exception. */
async function ask(key, method, path, form = {}) {
  const query = new URLSearchParams({ key, ...(method === 'GET' && form) });
  const body = method === 'GET' ? undefined : new URLSearchParams(form);
  try {
    const response = await fetch(`${home}${path}?${query}`, { method, body, credentials: 'omit', referrerPolicy: 'no-referrer' });
    const answer = await response.json();
    return answer.error ? { error: answer.error } : { value: answer };
  } catch {
    return { error: { type: 'api_connection_error', message: noConnection } };
  }
}

const intentOf = (clientSecret) => clientSecret.split('_secret_')[0];

const retrieve = (key, clientSecret) =>
  ask(key, 'GET', '/v1/payment_intents/' + intentOf(clientSecret), { client_secret: clientSecret });

const confirm = (key, clientSecret, form) =>
  ask(key, 'POST', `/v1/payment_intents/${intentOf(clientSecret)}/confirm`, { client_secret: clientSecret, use_stripe_sdk: 'true', ...form });

const openSession = (key, secret) => ask(key, 'POST', '/v1/elements/sessions', { customer_session_client_secret: secret });

const detach = (key, secret, id) =>
  ask(key, 'POST', `/v1/elements/payment_methods/${id}/detach`, { customer_session_client_secret: secret });
