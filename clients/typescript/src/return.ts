// The page that Stripe returns to.

export interface ReturnedPayment {
  payment: string;
  clientSecret: string;
}

/**
 * Takes what Stripe has put into the address out of it, and leaves the shop's own parameters. Call
 * it before anything else, so that no log, script or Referer gets the secret. `redirect_status` is
 * dropped: anybody can write it into the address.
 */
export function takeReturnedPayment(): ReturnedPayment | undefined {
  const url = new URL(location.href);
  const [payment, clientSecret, status] = ['payment_intent', 'payment_intent_client_secret', 'redirect_status'].map(
    (name) => {
      const value = url.searchParams.get(name);
      url.searchParams.delete(name);
      return value;
    },
  );
  if (payment || clientSecret || status) history.replaceState(history.state, '', url);
  return payment && clientSecret ? { payment, clientSecret } : undefined;
}
