// Types of the API, from openapi.yaml. An enumeration that later versions of Kasse may extend also
// accepts any other string.
import type { components } from './schema.js';

type Schemas = components['schemas'];
type Open<Words extends string> = Words | (string & {});

/** The state of an order's payment, with refunds and disputes: `pending`, `failed`, `paid` and others. */
export type State = Open<Schemas['State']>;
/** The next step of the page: `pay`, `authenticate`, `retry`, `wait` or `none`. */
export type Next = Open<Schemas['Next']>;

// The specification of an older server does not have all of these members. Omit accepts their names.
type Later = 'action' | 'payment_method_details' | 'receipt_url' | 'review';
type Loosened = 'state' | 'next' | 'status' | 'hold_reason' | 'dispute' | Later;

interface Words {
  state: State;
  next: Next;
  status: Open<Schemas['StripeStatus']>;
  hold_reason: Open<Schemas['HoldReason']> | null;
  /**
   * The customer's next step at the bank or elsewhere; null without one. `type` is Stripe's, and
   * `expires_at` (RFC 3339) the time until which the customer can act. Older servers do not send it.
   */
  action?: { type: string; expires_at: string | null } | null;
}

/**
 * A payment's status, as the holder of its client secret sees it. Amounts are in Stripe's minor unit of
 * the currency, times are RFC 3339 in UTC.
 */
export interface PaymentStatus extends Omit<Schemas['PublicView'], Loosened>, Words {}

/**
 * A payment's status, as backends and order tokens see it. Older servers leave out the optional
 * members.
 */
export interface PaymentView extends PaymentStatus, Omit<Schemas['View'], keyof Schemas['PublicView'] | Loosened> {
  /** The latest dispute or inquiry; null without one. `amount` is in minor units. */
  dispute: { id: string; status: Open<Schemas['Dispute']['status']>; amount: number } | null;
  /** The payment method that paid, or that was tried last; null before the first try. */
  payment_method_details?: { type: string; brand: string | null; last4: string | null } | null;
  /** The link to Stripe's receipt; null without one. */
  receipt_url?: string | null;
  /** Radar's review while it is open, else null. Only service keys and events have it. */
  review?: { id: string; reason: string; opened_at: string } | null;
}

/** Lets a page show the customer's saved methods. The secret works once, until `expires_at` (RFC 3339). */
export type CustomerSession = Schemas['CustomerSession'];

/** The view, and the values that Stripe.js needs. Do not log the secrets. */
export interface OpenedPayment extends PaymentView {
  /** Confirms the payment in the browser, and reads its status. */
  client_secret: string;
  /** Null without a customer. */
  customer_session: CustomerSession | null;
  /** The key with which the page loads Stripe.js, `pk_…`. */
  publishable_key: string;
}

/** An order with its payments. */
export interface Order {
  /** The shop's own name for the order. */
  order_id: string;
  /** True if no further attempt opens, unless a backend reopens the order. */
  closed: boolean;
  /** The first successful payment, or else the current one. Null before the first payment. */
  payment: PaymentView | null;
  /** The other payments, oldest first. */
  superseded: PaymentView[];
}

/** The code of a problem, such as `order_already_paid`: docs/errors.md lists them. */
export type ProblemCode = Schemas['ProblemCode'];

/** The body of an error answer: a problem document (RFC 9457). */
export interface Problem extends Omit<Schemas['Problem'], 'code' | 'payment'> {
  code: Open<ProblemCode>;
  payment?: PaymentView;
}

/**
 * An order to be paid. Its terms are `amount` (minor units), `currency` (lower-case ISO 4217),
 * `customer` (`cus_…`; none: a guest), `capture_method` and `setup_future_usage`.
 */
export type PaymentCreate = Schemas['PaymentCreate'];

/** Features of Stripe's Payment Element for a known customer: the saved methods to show, and whether to save. */
export type CustomerSessionOptions = Schemas['CustomerSessionOptions'];

/** The terms of a token. With the order's id alone, or with a session, the token only reads. */
export type OrderTokenCreate = Schemas['OrderTokenCreate'];

/**
 * A token with which a page or an app pays one order. It is valid until `expires_at` (RFC 3339). `rev`
 * is the age of its terms in Unix milliseconds: of two tokens, the terms of the higher one count.
 */
export type OrderToken = Schemas['OrderToken'];

/** A refund. `amount` is in minor units. `status` is Stripe's: null, or also a word newer than this package. */
export interface Refund extends Omit<Schemas['Refund'], 'status'> {
  status: Open<'pending' | 'requires_action' | 'succeeded' | 'canceled' | 'failed'> | null;
}

/** A change of an order's payment. `id` is the same at each delivery, in the feed and in a push. */
export interface KasseEvent extends Omit<Schemas['Event'], 'data'> {
  /** The whole view after the change. */
  data: PaymentView;
}

/** An event as Kasse pushes it to an endpoint. */
export interface PushedEvent extends KasseEvent {
  /** The same as `created_at` (RFC 3339). */
  timestamp: string;
  /** True if the shop's `metadata` was left out of `data`, because the body would have 20 KB or more. */
  truncated: boolean;
}
