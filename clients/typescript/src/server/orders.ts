// The list of orders, page by page.
import type { Call } from '../request.js';
import type { Order, State } from '../types.js';

/** Selects orders. Without members it selects all. */
export interface OrderQuery {
  /** Only orders of this customer, `cus_…`. */
  customer?: string | undefined;
  /** Only orders whose payment is in this state now. A rare state takes many pages. */
  state?: State | undefined;
  /** Only orders that Kasse first stored after this time; a string is RFC 3339. */
  createdAfter?: Date | string | undefined;
  /** The largest number of orders in one page, 1 to 100; 20 by default. */
  limit?: number | undefined;
  /** `next` of the page before. Without it: from the newest order. */
  after?: string | undefined;
}

/** A page of orders. */
export interface OrderPage {
  /** Newest first. A page may have fewer orders than `limit`, or none, and still a `next`. */
  orders: Order[];
  /** `after` of the next page; null at the end. */
  next: string | null;
}

/** Builds the request of one page. */
export function orderPage({ customer, state, createdAfter, limit, after }: OrderQuery, signal?: AbortSignal): Call {
  const created_after = createdAfter instanceof Date ? createdAfter.toISOString() : createdAfter;
  return { method: 'GET', path: '/v1/orders', query: { customer, state, created_after, limit, after }, signal };
}

/** Yields the orders of all pages. An abort throws: an end without an error means that no order is left. */
export async function* eachOrder(
  read: (query: OrderQuery) => Promise<OrderPage>,
  query: OrderQuery,
): AsyncGenerator<Order, void, void> {
  for (let after: string | null | undefined = query.after; after !== null;) {
    const page: OrderPage = await read({ ...query, after });
    yield* page.orders;
    after = page.next;
  }
}
