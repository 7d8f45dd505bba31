// The page that Stripe returns to.

/** The payment that Stripe has named in the address of the return page. */
export interface ReturnedPayment {
  /** The payment's id, `pi_…`. */
  payment: string;
  /** The payment's client secret. */
  clientSecret: string;
}

/**
 * Removes Stripe's parameters from the page's address, and returns the payment; undefined if there is
 * none. The shop's own parameters stay. Call it before anything else, so that no log, script or
 * Referer gets the secret. It ignores `redirect_status`, because any visitor can write that into the
 * address. It needs `location` and `history`: a browser.
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
