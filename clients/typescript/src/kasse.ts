// The client of a page or an app. It holds an order token, so it is a client for one order.
import { isKasseError } from './errors.js';
import { type FollowOptions, followPayment } from './follow.js';
import { type Answer, type Call, checkSettings, path, repeat, send, type Settings } from './request.js';
import { tokenSource } from './token.js';
import type { CustomerSession, OpenedPayment, Order, PaymentStatus } from './types.js';

/** Options of `createKasse`. */
export interface KasseOptions extends Settings {
  /**
   * Gets an order token from the shop's backend. It is called at the first request, and again when
   * the token has expired. A page that only follows a payment by its client secret does not need it.
   */
  getToken?: () => Promise<string> | string;
}

/**
 * The client of one order. Every method throws a `KasseError`, or the error of `getToken`, or the
 * reason of an aborted `signal`.
 */
export interface Kasse {
  /**
   * Opens the order's payment, or returns the open one, with a new customer session. Calls at the
   * same time share one request. Throws `order_already_paid` or `payment_in_progress` (with
   * `payment`), `order_closed`, `attempts_exhausted`, or `order_conflict` (the token is for another
   * customer of the order).
   */
  open(): Promise<OpenedPayment>;
  /**
   * Makes another customer session for the payment (`pi_…`), because the secret of a session works
   * once and for a short time. Throws `invalid_state` if the payment can no longer be paid.
   */
  refreshSession(payment: string, options?: { signal?: AbortSignal }): Promise<CustomerSession>;
  /**
   * Yields the status of the payment (`pi_…`) now and after each change, until it is final. A change
   * may leave the `state` as it is: compare it before you act on it. Throws only an error that a
   * repeat cannot cure, such as `not_found`. See `FollowOptions`.
   */
  follow(payment: string, options?: FollowOptions): AsyncGenerator<PaymentStatus, void, void>;
  /** Returns the order with its payments. Throws `not_found` for another order than the token's. */
  order(id: string, options?: { signal?: AbortSignal }): Promise<Order>;
}

/** Makes the client of one order. It sends nothing until a method is called. Throws TypeError without `baseUrl`. */
export function createKasse(options: KasseOptions): Kasse {
  checkSettings(options, 'createKasse');
  const tokens = tokenSource(options.getToken);
  let opening: Promise<OpenedPayment> | undefined;

  /** Sends one request with the order token. If the token has expired, it sends it once more with a new one. */
  async function withToken<Body>(call: Call): Promise<Answer<Body>> {
    const token = await tokens.get();
    try {
      return await send<Body>(options, call, token);
    } catch (error) {
      if (!isKasseError(error, 'token_expired')) throw error;
      tokens.drop(token);
      return send<Body>(options, call, await tokens.get());
    }
  }
  const ask = async <Body>(call: Call) => (await repeat(options, call.signal, () => withToken<Body>(call))).body;

  return {
    open() {
      opening ??= ask<OpenedPayment>({ method: 'POST', path: '/v1/payments' }).finally(() => (opening = undefined));
      return opening;
    },
    async refreshSession(payment, { signal } = {}) {
      type Body = { customer_session: CustomerSession };
      return (await ask<Body>({ method: 'POST', path: path`/v1/payments/${payment}/customer-session`, signal }))
        .customer_session;
    },
    follow(payment, follow = {}) {
      const { clientSecret } = follow;
      const read = (call: Call) =>
        clientSecret ? send<PaymentStatus>(options, call, clientSecret) : withToken<PaymentStatus>(call);
      return followPayment(read, payment, follow);
    },
    order: (id, { signal } = {}) => ask<Order>({ method: 'GET', path: path`/v1/orders/${id}`, signal }),
  };
}
