#!/bin/sh
# Vue Stripe pays with Elements that hold no form, once the amount or the client secret has changed
#
# Guess (28 November, C 60, 64): elements.update gets a new amount. A new client secret makes new
#             Elements with a new form.
# Behaviour:  both make new Elements, and the form is not made again: it stays in the first ones. The
#             package's own confirmPayment uses the new ones, which have no form.
# Versions:   npm: @vue-stripe/vue-stripe 5.7.0, vue 3.5.45, @stripe/stripe-js 10.2.1, happy-dom 21.0.4.
#             Stripe.js is played by an object that prints its calls.
# Matters:    a voucher changes the price, or an order gets a new attempt: the card that the customer
#             has typed in belongs to the old payment, and the new one cannot be paid on this page.

. "$(dirname "$0")/lib/start.sh"
npm_packages @vue-stripe/vue-stripe@5.7.0 vue@3.5.45 @stripe/stripe-js@10.2.1 happy-dom@21.0.4
cat >stripe.mjs <<'END'
import { Window } from 'happy-dom';

// A page, and a Stripe.js that prints the calls that it gets.
const window = new Window({ url: 'https://shop.example' });
Object.assign(globalThis, { window, document: window.document });
for (const name of ['Element', 'SVGElement', 'Node', 'HTMLElement', 'HTMLIFrameElement', 'Event', 'navigator']) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
let count = 0;
const elements = (options) => {
  const name = `Elements ${++count}`;
  console.log(`${name}: ${JSON.stringify(options)}`);
  const listener = { on: () => listener, off: () => listener, update() {}, unmount() {} };
  return {
    name,
    update: (change) => console.log(`${name} updated: ${JSON.stringify(change)}`),
    submit: async () => ({}),
    create: () => ({
      ...listener,
      mount: () => console.log(`form mounted, of ${name}`),
      destroy: () => console.log(`form destroyed, of ${name}`),
    }),
  };
};
const confirmPayment = async (options) => {
  console.log(`confirm ${options.clientSecret} with ${options.elements.name}`);
  return {};
};
export const stripe = {
  elements, confirmPayment, createToken() {}, createPaymentMethod() {}, confirmCardPayment() {},
  registerAppInfo() {}, _registerWrapper() {},
};
window.Stripe = Object.assign(() => stripe, { version: 'endive' });

// drawn waits until the page has drawn itself.
export const drawn = () => new Promise((resolve) => setTimeout(resolve, 100));
END
cat >shop.mjs <<'END'
import { drawn } from './stripe.mjs';

const { createApp, h, reactive } = await import('vue');
const {
  VueStripeElements, VueStripePaymentElement, VueStripeProvider, usePaymentIntent,
} = await import('@vue-stripe/vue-stripe');
const pay = async (name, before, after, clientSecret) => {
  console.log(`${name}:`);
  const options = reactive(before);
  let intent;
  const form = {
    setup() {
      intent = usePaymentIntent();
      return () => h(VueStripePaymentElement);
    },
  };
  createApp(() => h(VueStripeProvider, { publishableKey: 'pk_test_1' }, () =>
    h(VueStripeElements, { ...options }, () => h(form))),
  ).mount(document.body.appendChild(document.createElement('div')));
  await drawn();
  Object.assign(options, after);
  await drawn();
  await intent.confirmPayment({ clientSecret });
};
await pay('new amount', { mode: 'payment', currency: 'eur', amount: 2000 }, { amount: 1500 }, 'pi_1_secret_a');
await pay('new attempt', { clientSecret: 'pi_1_secret_a' }, { clientSecret: 'pi_2_secret_b' }, 'pi_2_secret_b');
process.exit();
END
node shop.mjs >seen
compare <<'END'
new amount:
Elements 1: {"mode":"payment","currency":"eur","amount":2000}
form mounted, of Elements 1
Elements 2: {"mode":"payment","currency":"eur","amount":1500}
confirm pi_1_secret_a with Elements 2
new attempt:
Elements 3: {"clientSecret":"pi_1_secret_a"}
form mounted, of Elements 3
Elements 4: {"clientSecret":"pi_2_secret_b"}
confirm pi_2_secret_b with Elements 4
END
