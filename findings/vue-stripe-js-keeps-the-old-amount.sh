#!/bin/sh
# the Elements of vue-stripe-js keep the old amount when a member of the options changes
#
# Guess (28 November, C 59): elements.update gets the new amount.
# Behaviour:  it does, if the page replaces the whole object of options. If the page sets the amount in
#             it, nothing happens, although the README names the options reactive, and its example
#             holds them in a ref(). solid-stripe and react-stripe-js pass the new amount on.
# Versions:   npm: vue-stripe-js 2.0.2, vue 3.5.45, solid-stripe 0.8.1, solid-js 1.9.20, @stripe/stripe-js
#             10.2.1, @stripe/react-stripe-js 7.0.1, react 19.3.1, esbuild 0.28.2, happy-dom 21.0.4.
#             Stripe.js is played by an object that prints its calls.
# Matters:    Apple Pay and other wallets show the old price. The payment fails, or the customer agrees to
#             a price that is not the one that is charged.

. "$(dirname "$0")/lib/start.sh"
npm_packages vue-stripe-js@2.0.2 vue@3.5.45 solid-stripe@0.8.1 solid-js@1.9.20 @stripe/stripe-js@10.2.1 \
	@stripe/react-stripe-js@7.0.1 react@19.3.1 react-dom@19.3.1 esbuild@0.28.2 happy-dom@21.0.4
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
import { drawn, stripe } from './stripe.mjs';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import * as ReactStripe from '@stripe/react-stripe-js';
import { createComponent, render } from 'solid-js/web';
import { createStore } from 'solid-js/store';
import * as SolidStripe from 'solid-stripe';
import { createApp, h, ref } from 'vue';
import { StripeElement, StripeElements } from 'vue-stripe-js';

const place = () => document.body.appendChild(document.createElement('div'));
const first = { mode: 'payment', currency: 'eur', amount: 2000 };
const vue = async (name, change) => {
  console.log(name);
  const options = ref({ ...first });
  createApp(() => h(StripeElements, { stripeKey: 'pk_test_1', elementsOptions: options.value }, {
    default: ({ elements }) => h(StripeElement, { type: 'payment', elements }),
  })).mount(place());
  await drawn();
  change(options);
  await drawn();
};
await vue('Vue, the amount is set', (options) => (options.value.amount = 1500));
await vue('Vue, the options are replaced', (options) => (options.value = { ...first, amount: 1500 }));

console.log('Solid, the amount is set in a store');
const [options, set] = createStore({ ...first });
render(() => createComponent(SolidStripe.Elements, {
  stripe, options, get children() { return createComponent(SolidStripe.PaymentElement, {}); },
}), place());
await drawn();
set('amount', 1500);
await drawn();

console.log('React, drawn again');
const root = createRoot(place());
const elements = (amount) => createElement(ReactStripe.Elements, { stripe, options: { ...first, amount } },
  createElement(ReactStripe.PaymentElement));
root.render(elements(2000));
await drawn();
root.render(elements(1500));
await drawn();
process.exit();
END
npx esbuild shop.mjs --bundle --format=esm --platform=node --conditions=browser --main-fields=browser,module,main \
	--external:happy-dom --outfile=page.mjs --log-level=error || exit 2
node page.mjs >seen
compare <<'END'
Vue, the amount is set
Elements 1: {"mode":"payment","currency":"eur","amount":2000}
form mounted, of Elements 1
Vue, the options are replaced
Elements 2: {"mode":"payment","currency":"eur","amount":2000}
form mounted, of Elements 2
Elements 2 updated: {"mode":"payment","currency":"eur","amount":1500}
Solid, the amount is set in a store
Elements 3: {"mode":"payment","currency":"eur","amount":2000}
form mounted, of Elements 3
Elements 3 updated: {"mode":"payment","currency":"eur","amount":1500}
React, drawn again
Elements 4: {"mode":"payment","currency":"eur","amount":2000}
form mounted, of Elements 4
Elements 4 updated: {"amount":1500}
END
