// Calls of the shop's own backend, and helpers of all pages.

async function callShop(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? { 'Content-Type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) {
    const code = response.status === 404 ? 'no_such_order' : undefined;
    throw Object.assign(new Error(answer.error), { code, retryable: response.status >= 500 }); // the client requests a new token only if that may help
  }
  return answer;
}

export const getConfig = () => callShop('GET', '/api/config');
export const checkOut = (choice) => callShop('POST', '/api/orders', choice);
export const getOrder = (id) => callShop('GET', `/api/orders/${id}`);
export const getToken = async (id) => (await callShop('POST', `/api/orders/${id}/token`)).token;

// Digits of a currency's minor unit at Stripe, if they are not two. The digits of Intl differ (ISK, UGX, HUF, COP), and
// change between versions of a browser. Source: https://docs.stripe.com/currencies
const digitsAtStripe = new Map([
  ...'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' ').map((currency) => [currency, 0]),
  ...'bhd jod kwd omr tnd'.split(' ').map((currency) => [currency, 3]),
]);

/** Writes an amount in Stripe's minor units as money. */
export function money(amount, currency) {
  const digits = digitsAtStripe.get(currency) ?? 2;
  const format = { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat('en', format).format(amount / 10 ** digits);
}

/** Writes a moment as a day. */
export const day = (moment) => new Intl.DateTimeFormat('en', { dateStyle: 'long' }).format(new Date(moment));

/** Writes a text into every element that is marked for it. */
export function fill(view, name, text) {
  for (const place of view.querySelectorAll(`[data-${name}]`)) place.textContent = text;
}

let loading;

/** Loads Stripe.js once. It must come from Stripe, never from a copy. The simulator serves a stand-in. */
export function loadStripe(source, key) {
  loading ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement('script'), { src: source });
    script.onload = () => resolve();
    script.onerror = () => (script.remove(), (loading = undefined), reject(new Error('Stripe.js cannot be loaded')));
    document.head.append(script);
  });
  return loading.then(() => window.Stripe(key));
}
