// The client of a backend.
import { type Call, checkSettings, path, repeat, send, type Settings } from '../request.js';
import type {
  CustomerSession,
  CustomerSessionOptions,
  OpenedPayment,
  Order,
  OrderToken,
  OrderTokenCreate,
  PaymentCreate,
  PaymentView,
  Refund,
} from '../types.js';
import { type EventPage, type FeedOptions, readFeed } from './feed.js';
import { eachOrder, type OrderPage, orderPage, type OrderQuery } from './orders.js';

/** Options of `createKasseServer`. */
export interface KasseServerOptions extends Settings {
  /**
   * A service key of `kasse keygen`, `ksk_…`, with the scopes that the calls need: read, write, manage, events.
   * Each call below names its own.
   */
  serviceKey: string;
}

/** Options of one call. */
export interface CallOptions {
  /** An abort ends the call: it throws the signal's reason. */
  signal?: AbortSignal;
}

/**
 * The client of a backend. A word in parentheses is the scope that the key needs. Amounts are in
 * Stripe's minor unit of the currency, and `payment` is the id of a PaymentIntent, `pi_…`.
 *
 * Every method throws a `KasseError`. Any of them may throw `invalid_request`, `unauthenticated`,
 * `insufficient_scope`, `not_found`, or after its retries `rate_limited`, `unreachable` or a code of
 * Stripe or Redis such as `stripe_unavailable`. The other codes are listed at each method.
 */
export interface KasseServer {
  /**
   * Opens the order's payment, or returns the open one again, with a new customer session (write).
   * Throws `order_already_paid` or `payment_in_progress` (with `payment`), `order_conflict` (the order
   * has other terms), `order_closed`, `attempts_exhausted`, `amount_out_of_range`,
   * `unsupported_currency`, `customer_not_found`.
   */
  create(order: PaymentCreate, options?: CallOptions): Promise<OpenedPayment>;
  /**
   * Stores the terms as the order's newest, and mints a token with which a page pays this order
   * (write). With `order_id` alone, or with `customer_session`, nothing is stored, and the token only
   * reads. Throws `not_found` if the server has no secret for tokens (`ORDER_TOKEN_SECRETS`).
   */
  orderToken(order: OrderTokenCreate, options?: CallOptions): Promise<OrderToken>;
  /** Returns the order with its payments (read). */
  order(id: string, options?: CallOptions): Promise<Order>;
  /**
   * Returns one page of the matching orders, newest first (read). `orders` reads all pages. A server
   * that keeps no index (`ORDER_INDEX=false`) throws `not_found`.
   */
  listOrders(query?: OrderQuery, options?: CallOptions): Promise<OrderPage>;
  /**
   * Yields the matching orders, newest first, and requests each page when it is needed (read). With a
   * filter, an order that changes meanwhile may be missing. An abort of the signal throws its reason.
   */
  orders(query?: OrderQuery, options?: CallOptions): AsyncGenerator<Order, void, void>;
  /** Returns one payment (read). */
  payment(payment: string, options?: CallOptions): Promise<PaymentView>;
  /**
   * Makes another customer session for the payment (write). Throws `invalid_state` if the payment has
   * no customer or can no longer be paid.
   */
  refreshSession(
    payment: string,
    options?: CallOptions & { customerSession?: CustomerSessionOptions },
  ): Promise<CustomerSession>;
  /**
   * Changes the amount of a payment that waits for a payment method (write). `version` is that of the
   * view that you have seen. Throws `version_mismatch` if the payment has changed since,
   * `invalid_state`, `amount_out_of_range`.
   */
  changeAmount(
    payment: string,
    change: { amount: number; version: number },
    options?: CallOptions,
  ): Promise<PaymentView>;
  /**
   * Cancels the payment and closes its order (manage). A repeat succeeds. Throws `invalid_state` if the
   * payment has succeeded, or if the bank is processing it.
   */
  cancel(payment: string, options?: CallOptions & { reason?: CancelReason }): Promise<PaymentView>;
  /**
   * Captures an authorised payment, all of it or `amount` (manage). Stripe releases the rest. A repeat
   * with the same amount succeeds. Throws `invalid_state`, `amount_out_of_range`.
   */
  capture(payment: string, options?: CallOptions & { amount?: number }): Promise<PaymentView>;
  /**
   * Refunds everything that is left of the payment, or `amount` (manage). Throws
   * `refund_exceeds_payment`, `invalid_state`, `idempotency_key_reused`, or `balance_insufficient` (top
   * up the balance at Stripe, then use a new key).
   */
  refund(
    payment: string,
    refund: RefundCreate,
    options?: CallOptions,
  ): Promise<{ refund: Refund; payment: PaymentView }>;
  /** Lists the payment's refunds, oldest first, also failed and cancelled ones (read). */
  refunds(payment: string, options?: CallOptions): Promise<Refund[]>;
  /**
   * Yields the pages of the feed, and waits for further events (events). Throws only an error that a
   * repeat cannot cure, such as `cursor_expired` (with `oldest`). See `FeedOptions`.
   */
  events(options?: FeedOptions): AsyncGenerator<EventPage, void, void>;
}

/** Stripe's words for the reason of a cancellation. */
export type CancelReason = 'duplicate' | 'fraudulent' | 'requested_by_customer' | 'abandoned';

/** A refund to make. */
export interface RefundCreate {
  /**
   * Identifies the refund, 1 to 255 printable ASCII characters: calls with the same key make one
   * refund. Derive it from your own record of the refund, so that a repeat after a crash has it, too.
   */
  idempotencyKey: string;
  /** In minor units. Without it: everything that is left. */
  amount?: number;
  /** Stripe's word. `fraudulent` also blocks the card. */
  reason?: Exclude<CancelReason, 'abandoned'>;
}

/**
 * Makes the client of a backend. It sends nothing until a method is called. Throws TypeError without
 * `baseUrl` or `serviceKey`.
 */
export function createKasseServer(options: KasseServerOptions): KasseServer {
  checkSettings(options, 'createKasseServer');
  if (!options.serviceKey) throw new TypeError('createKasseServer needs serviceKey: ksk_…, from kasse keygen');
  const once = <Body>(call: Call) => send<Body>(options, call, options.serviceKey);
  const ask = async <Body>(call: Call) => (await repeat(options, call.signal, () => once<Body>(call))).body;
  const get = <Body>(of: string, { signal }: CallOptions = {}) => ask<Body>({ method: 'GET', path: of, signal });
  const post = <Body>(to: string, body: object, { signal }: CallOptions = {}) =>
    ask<Body>({ method: 'POST', path: to, body, signal });
  const listOrders = (query: OrderQuery = {}, { signal }: CallOptions = {}) => ask<OrderPage>(orderPage(query, signal));

  return {
    create: (order, call) => post('/v1/payments', order, call),
    orderToken: (order, call) => post('/v1/order-tokens', order, call),
    order: (id, call) => get(path`/v1/orders/${id}`, call),
    listOrders,
    orders: (query = {}, call) => eachOrder((page) => listOrders(page, call), query),
    payment: (payment, call) => get(path`/v1/payments/${payment}`, call),
    async refreshSession(payment, { customerSession, ...call } = {}) {
      const body = customerSession ? { customer_session: customerSession } : {};
      return (
        await post<{ customer_session: CustomerSession }>(path`/v1/payments/${payment}/customer-session`, body, call)
      ).customer_session;
    },
    changeAmount: (payment, { amount, version }, { signal } = {}) =>
      ask({
        method: 'PATCH',
        path: path`/v1/payments/${payment}`,
        body: { amount },
        headers: { 'If-Match': `"${version}"` },
        signal,
      }),
    cancel: (payment, { signal, ...body } = {}) =>
      ask({ method: 'POST', path: path`/v1/payments/${payment}/cancel`, body, signal }),
    capture: (payment, { signal, ...body } = {}) =>
      ask({ method: 'POST', path: path`/v1/payments/${payment}/capture`, body, signal }),
    refund: (payment, { idempotencyKey, ...body }, { signal } = {}) =>
      ask({
        method: 'POST',
        path: path`/v1/payments/${payment}/refunds`,
        body,
        headers: { 'Idempotency-Key': idempotencyKey },
        signal,
      }),
    refunds: async (payment, call) =>
      (await get<{ refunds: Refund[] }>(path`/v1/payments/${payment}/refunds`, call)).refunds,
    events: (feed) => readFeed(once, feed),
  };
}
