// The cart: the purchase and the customer. The backend decides the price; the page only shows it.
import { checkOut, fill, money } from './shop.js';

export function cart(view, { go, signal }) {
  document.title = 'Enamel kettle · Fjord Goods';
  const form = view.querySelector('form');
  const problem = form.querySelector('.problem');
  const show = () => {
    const { amount, currency } = form.querySelector('[name=region]:checked').dataset;
    fill(view, 'price', money(amount, currency));
  };
  let leaving = false;
  form.addEventListener('change', show, { signal });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (leaving) return;
    leaving = true;
    problem.textContent = '';
    try {
      const order = await checkOut({ region: form.region.value, guest: form.who.value === 'guest' });
      if (!signal.aborted) go(`/checkout?order=${order.order_id}`);
    } catch {
      problem.textContent = 'We could not reach the shop. Check your connection, then try again.';
    } finally {
      leaving = false;
    }
  }, { signal });
  show();
}
