// The console: the list of orders, one order with its timeline, and the buttons. It sends requests to this origin only.
const $ = (selector) => document.querySelector(selector);

/** Sends a request to the console's server. */
async function callServer(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? { 'Content-Type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// Digits of a currency's minor unit at Stripe, if they are not two. Source: https://docs.stripe.com/currencies
const digitsAtStripe = new Map([
  ...'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' ').map((currency) => [currency, 0]),
  ...'bhd jod kwd omr tnd'.split(' ').map((currency) => [currency, 3]),
]);

function money(amount, currency) {
  const digits = digitsAtStripe.get(currency) ?? 2;
  const format = { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat('en', format).format(amount / 10 ** digits);
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function say(text, bad = false) {
  $('#result').dataset.bad = bad ? 'yes' : 'no';
  $('#result').textContent = text;
}

/** The id of the order that the address names. */
const chosen = () => decodeURIComponent(location.hash.slice(1));

/** Shows the list. Existing links stay in the document, so the focus stays too. */
function showOrders(orders) {
  $('#no-orders').hidden = orders.length > 0;
  const list = $('#orders');
  const items = new Map([...list.children].map((item) => [item.dataset.order, item]));
  orders.forEach((order, i) => {
    const item = items.get(order.order_id) ?? newItem(order.order_id);
    items.delete(order.order_id);
    const { payment } = order;
    item.querySelector('.at').textContent = payment ? payment.state : order.closed ? 'closed' : 'no payment';
    item.querySelector('.sum').textContent = payment ? money(payment.amount, payment.currency) : '';
    const link = item.querySelector('a');
    const current = order.order_id === chosen();
    const newly = current && !link.hasAttribute('aria-current');
    if (current) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    if (newly) list.scrollTop = item.offsetTop - list.clientHeight / 2;
  });
  for (const item of items.values()) item.remove();
  if (chosen() === '*') $('#everything').setAttribute('aria-current', 'true');
  else $('#everything').removeAttribute('aria-current');
  if (!chosen() && orders.length > 0) location.replace(`#${encodeURIComponent(orders[0].order_id)}`);
}

function newItem(id) {
  const item = element('li', '');
  item.dataset.order = id;
  const link = element('a', '', { href: `#${encodeURIComponent(id)}` });
  link.append(element('span', id, { class: 'id' }), element('span', '', { class: 'sum' }), element('span', '', { class: 'at' }));
  item.append(link);
  return item;
}

/** Writes a text only if it has changed, since a screen reader reads out every write to a live region. */
function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function facts({ payment, closed, superseded }) {
  if (!payment) return [];
  const sum = (amount) => money(amount, payment.currency);
  const details = payment.payment_method_details;
  return [
    ['Amount', sum(payment.amount)],
    ['Received', payment.amount_received && sum(payment.amount_received)],
    ['Can be captured', payment.amount_capturable && sum(payment.amount_capturable)],
    ['Refunded', payment.amount_refunded && sum(payment.amount_refunded)],
    ['Next', payment.next],
    ['Ship it', payment.fulfillable ? 'yes' : 'no'],
    ['Held because', payment.hold_reason],
    ['Failure', payment.failure && [payment.failure.code, payment.failure.decline_code].filter(Boolean).join(', ')],
    ['Waits for', payment.action?.type],
    ['Dispute', payment.dispute?.status],
    ['Review', payment.review && 'open'],
    ['Paid with', details && [details.type, details.brand, details.last4 && `•••• ${details.last4}`].filter(Boolean).join(' ')],
    ['Attempt', `${payment.attempt}${superseded.length ? `, after ${superseded.length} earlier` : ''}`],
    ['Stripe’s status', payment.status],
    ['PaymentIntent', payment.payment_intent],
    ['Order', closed && 'closed'],
  ].filter(([, value]) => value);
}

const kinds = { state: 'state', webhook: 'webhook', push: 'push', request: 'request' };

function showOrder(order) {
  write($('#order-title'), `Order ${order.order_id}`);
  write($('#state'), order.payment?.state ?? 'no payment yet');
  $('#facts').replaceChildren(...facts(order).map(([name, value]) => {
    const pair = element('div', '');
    pair.append(element('dt', name), element('dd', value));
    return pair;
  }));
  $('#actions').hidden = !simulated;
  for (const button of document.querySelectorAll('[data-action]')) {
    button.setAttribute('aria-disabled', String(!order.actions.includes(button.dataset.action)));
  }
  showTimeline(order.timeline);
}

/** Shows the lines of all orders, and those of no order. */
function showEverything({ timeline }) {
  write($('#order-title'), 'Everything');
  write($('#state'), '');
  $('#facts').replaceChildren();
  $('#actions').hidden = true;
  showTimeline(timeline);
}

function showTimeline(timeline) {
  $('#history').hidden = false;
  const wanted = new Set([...document.querySelectorAll('.kinds input:checked')].map((box) => box.value));
  const rows = timeline.filter((row) => wanted.has(row.kind)).reverse();
  $('#timeline').replaceChildren(...rows.map((row) => {
    const line = element('tr', '', { 'data-kind': row.kind, 'data-bad': row.bad ? 'yes' : 'no' });
    line.append(
      element('td', clock.format(new Date(row.at)), { class: 'time' }), element('td', kinds[row.kind], { class: 'kind' }),
      element('td', row.title, { class: 'what' }), element('td', row.detail),
      element('td', row.took_ms === undefined ? '' : row.took_ms.toFixed(1), { class: 'number' }),
    );
    return line;
  }));
}

let shown = () => {}; // shows again what is on the page
let order; // that is on the page
let simulated = false;
let busy = false;
let again = false;

/** Refreshes the page. Calls during a refresh cause one more refresh. */
async function refresh() {
  again = busy;
  if (busy) return;
  busy = true;
  do {
    again = false;
    await load().catch((error) => say(error.message, true));
  } while (again);
  busy = false;
}

async function load() {
  const world = await callServer('GET', '/api/world');
  simulated = world.simulated;
  Object.assign($('#shop'), { href: world.shop, hidden: !world.shop });
  $('#stripe').hidden = !simulated;
  $('#stripe-state').dataset.down = world.stripe_down ? 'yes' : 'no';
  write($('#stripe-state'), world.stripe_down ? 'Stripe does not answer.' : 'Stripe answers.');
  showOrders((await callServer('GET', '/api/orders')).orders);
  const id = chosen();
  if (!id) return;
  const everything = id === '*';
  const answer = await callServer('GET', everything ? '/api/everything' : `/api/orders/${encodeURIComponent(id)}`);
  if (id !== chosen()) return;
  order = everything ? undefined : answer;
  shown = () => (everything ? showEverything(answer) : showOrder(answer));
  shown();
}

/** Runs a button's action and shows its result. The page refreshes by itself. */
async function press(button) {
  const name = button.textContent;
  const slow = setTimeout(() => say(`${name}: waiting for the answer.`), 700);
  try {
    if (button.dataset.action) await pressAction(button, name);
    else await pressWorld(button.dataset.world);
    clearTimeout(slow); // a refresh that takes long must not hide the result
    await refresh();
  } catch (error) {
    clearTimeout(slow);
    say(`${name}: ${error.message}`, true);
  } finally {
    clearTimeout(slow);
  }
}

async function pressAction(button, name) {
  if (button.getAttribute('aria-disabled') === 'true') throw new Error('this is not possible in the order’s state.');
  await callServer('POST', `/api/actions/${button.dataset.action}`, { order_id: order.order_id });
  say(`Done: ${name}.`);
}

async function pressWorld(action) {
  if (action === 'order' || action === 'order-later') {
    const made = await callServer('POST', '/api/orders', action === 'order' ? {} : { capture_method: 'manual' });
    location.hash = encodeURIComponent(made.order_id);
    say('The order is open: pay, or let something go wrong.');
    return;
  }
  const days = Number($('#days').value);
  await callServer('POST', `/api/actions/${action}`, { days });
  say({
    'stripe-down': 'Stripe does not answer any more.', 'stripe-up': 'Stripe answers again.', pass: `${days} days have passed.`,
  }[action]);
}

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-action], [data-world]');
  if (button) void press(button);
});
for (const box of document.querySelectorAll('.kinds input')) box.addEventListener('change', () => shown());
addEventListener('hashchange', () => {
  say('');
  void refresh();
});

const changes = new EventSource('/api/changes');
changes.onopen = () => {
  $('#connection').dataset.live = 'yes';
  write($('#connection'), 'Live');
};
changes.onerror = () => {
  $('#connection').dataset.live = 'no';
  write($('#connection'), 'No connection to kasse-dev. Trying again.');
};
changes.onmessage = () => void refresh();
