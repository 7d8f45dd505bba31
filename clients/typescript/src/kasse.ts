// The client of a page or an app. It holds an order token, and so is a client for one order.
import { isKasseError } from './errors.js';
import { type FollowOptions, followPayment } from './follow.js';
import { type Answer, type Call, path, repeat, send, type Settings } from './request.js';
import { tokenSource } from './token.js';
import type { CustomerSession, OpenedPayment, Order, PaymentStatus } from './types.js';

export interface KasseOptions extends Settings {
  /**
   * Asks the shop's backend for an order token: at the first request, and when one has expired. A
   * page that only follows a payment by its client secret needs none.
   */
  getToken?: () => Promise<string> | string;
}

export interface Kasse {
  /**
   * Opens the order's payment, or gets the one that is open, with a fresh customer session. Calls
   * at the same time share one request. Throws `order_already_paid` and `payment_in_progress` with
   * the payment, `order_closed`, `attempts_exhausted`.
   */
  open(): Promise<OpenedPayment>;
  /**
   * Gets another customer session for the payment. The secret of a session works once and for a
   * short time.
   */
  refreshSession(payment: string, options?: { signal?: AbortSignal }): Promise<CustomerSession>;
  /**
   * Yields the payment's status now and after each change, until it is final. A change may leave
   * the `state` as it is: compare it before you act on it. See `FollowOptions`.
   */
  follow(payment: string, options?: FollowOptions): AsyncGenerator<PaymentStatus, void, void>;
  /** Gets the order with its payments. */
  order(id: string, options?: { signal?: AbortSignal }): Promise<Order>;
}

/** Makes the client of one order. It sends nothing until a method is called. */
export function createKasse(options: KasseOptions): Kasse {
  const tokens = tokenSource(options.getToken);
  let opening: Promise<OpenedPayment> | undefined;

  /** Sends one request with the order token, and once more with a new one where it has expired. */
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
