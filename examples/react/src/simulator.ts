// Only for the simulated Stripe: loads the simulator's stand-in for Stripe.js. Leave this file out in
// your shop; the client then loads Stripe's own script.
export function loadSimulatedStripe(source: string): Promise<unknown> {
  if (source.startsWith('https://js.stripe.com/')) return Promise.resolve();
  const script = Object.assign(document.createElement('script'), { src: source });
  document.head.append(script);
  return new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error('The simulator does not answer. Is kasse-dev running?'));
  });
}
