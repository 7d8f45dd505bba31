// The client of a backend.
import { type Call, path, repeat, send, type Settings } from '../request.js';
import type {
  CustomerSession,
  CustomerSessionOptions,
  OpenedPayment,
  Order,
  OrderToken,
  PaymentCreate,
  PaymentView,
  Refund,
} from '../types.js';
import { type EventPage, type FeedOptions, readFeed } from './feed.js';
import { eachOrder, type OrderPage, orderPage, type OrderQuery } from './orders.js';

export interface KasseServerOptions extends Settings {
  /** `ksk_…`, with the scopes that the calls need: read, write, manage, events. */
  serviceKey: string;
}

/** Every call may carry a signal. Amounts are in minor units. */
export interface CallOptions {
  signal?: AbortSignal;
}

export interface KasseServer {
  /** Opens the order's payment, or gets the open one again (write). */
  create(order: PaymentCreate, options?: CallOptions): Promise<OpenedPayment>;
  /** Mints a token with which a page pays this order at these terms (write). */
  orderToken(order: PaymentCreate, options?: CallOptions): Promise<OrderToken>;
  /** Gets the order with its payments (read). */
  order(id: string, options?: CallOptions): Promise<Order>;
  /**
   * Gets one page of the orders that fit, newest first (read). `orders` goes through all pages. A
   * server that keeps no index (`ORDER_INDEX`) throws `not_found`.
   */
  listOrders(query?: OrderQuery, options?: CallOptions): Promise<OrderPage>;
  /**
   * Yields the orders that fit, newest first, and asks for a page when it is needed (read). An order
   * that changes meanwhile may be missing. An abort of the signal throws its reason.
   */
  orders(query?: OrderQuery, options?: CallOptions): AsyncGenerator<Order, void, void>;
  /** Gets one payment (read). */
  payment(payment: string, options?: CallOptions): Promise<PaymentView>;
  /** Gets another customer session for the payment (write). */
  refreshSession(
    payment: string,
    options?: CallOptions & { customerSession?: CustomerSessionOptions },
  ): Promise<CustomerSession>;
  /**
   * Changes the amount of a payment that is not paid yet (write). Throws `version_mismatch`
   * where `version` is not its newest.
   */
  changeAmount(
    payment: string,
    change: { amount: number; version: number },
    options?: CallOptions,
  ): Promise<PaymentView>;
  /** Cancels the payment and closes its order (manage). */
  cancel(payment: string, options?: CallOptions & { reason?: CancelReason }): Promise<PaymentView>;
  /** Captures an authorised payment, all of it or `amount` (manage). */
  capture(payment: string, options?: CallOptions & { amount?: number }): Promise<PaymentView>;
  /**
   * Gives money back, all that is left or `amount` (manage). `idempotencyKey` names this refund:
   * the same in every try of it, also after a crash.
   */
  refund(
    payment: string,
    refund: RefundCreate,
    options?: CallOptions,
  ): Promise<{ refund: Refund; payment: PaymentView }>;
  /** Lists the payment's refunds (read). */
  refunds(payment: string, options?: CallOptions): Promise<Refund[]>;
  /** Yields pages of the feed, and waits for more (events). See `FeedOptions`. */
  events(options?: FeedOptions): AsyncGenerator<EventPage, void, void>;
}

export type CancelReason = 'duplicate' | 'fraudulent' | 'requested_by_customer' | 'abandoned';

export interface RefundCreate {
  idempotencyKey: string;
  amount?: number;
  reason?: Exclude<CancelReason, 'abandoned'>;
}

/** Makes the client of a backend. It sends nothing until a method is called. */
export function createKasseServer(options: KasseServerOptions): KasseServer {
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
