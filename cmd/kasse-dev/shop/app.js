// One document, three pages. First of all, Stripe's parameters are removed from the address.
import { takeSecret, comeBack } from './return.js';
import { cart } from './cart.js';
import { checkout } from './checkout.js';
import { createKasse } from './kasse.js';
import { getConfig, getToken } from './shop.js';

takeSecret();

const pages = { '/': ['cart', cart], '/checkout': ['checkout', checkout], '/return': ['return', comeBack] };
let leave = new AbortController();

/** Goes to another page of the shop. */
function go(path, { state = null, replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](state, '', path);
  void show();
}

/** Shows the page that the address names, and ends the one before. */
async function show() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const here = new URL(location.href);
  const [name, run] = pages[here.pathname] ?? pages['/'];
  const view = document.querySelector('#view');
  view.replaceChildren(document.querySelector(`template#${name}`).content.cloneNode(true));
  scrollTo(0, 0);
  view.querySelector('h1').focus({ preventScroll: true });

  const id = here.searchParams.get('order');
  await run(view, { id, connect: () => kasseFor(id), go, signal, redirect: here.searchParams.get('redirect') ?? undefined });
}

const known = new Map();

/** One client for each order, with its token. */
async function kasseFor(id) {
  if (!known.has(id)) {
    const { kasse } = await getConfig();
    known.set(id, createKasse({ baseUrl: kasse, getToken: () => getToken(id) }));
  }
  return known.get(id);
}

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href^="/"]');
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute('href'));
});
addEventListener('popstate', show);
// Back from the bank's page, the browser may show this one as it was left, with a payment under way that is not any more.
addEventListener('pageshow', ({ persisted }) => persisted && show());
void show();
