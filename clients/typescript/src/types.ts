// Types of the API, taken from openapi.yaml. Words that Kasse may add to later stay open for any
// string.
import type { components } from './schema.js';

type Schemas = components['schemas'];
type Open<Words extends string> = Words | (string & {});

/** What an order needs to know of its payment. */
export type State = Open<Schemas['State']>;
/** What the page should do now. */
export type Next = Open<Schemas['Next']>;

// The specification of an older server lacks some of these: Omit takes names that are not there.
type Later = 'action' | 'payment_method_details' | 'receipt_url' | 'review';
type Loosened = 'state' | 'next' | 'status' | 'hold_reason' | 'dispute' | Later;

interface Words {
  state: State;
  next: Next;
  status: Open<Schemas['StripeStatus']>;
  hold_reason: Open<Schemas['HoldReason']> | null;
  /** What the customer has to do elsewhere. Older servers do not send it. */
  action?: { type: string; expires_at: string | null } | null;
}

/** A payment's status, as the holder of its client secret sees it. Amounts are in minor units. */
export interface PaymentStatus extends Omit<Schemas['PublicView'], Loosened>, Words {}

/**
 * A payment's status, as backends and order tokens see it. Older servers leave out the optional
 * members.
 */
export interface PaymentView extends PaymentStatus, Omit<Schemas['View'], keyof Schemas['PublicView'] | Loosened> {
  dispute: { id: string; status: Open<Schemas['Dispute']['status']>; amount: number } | null;
  payment_method_details?: { type: string; brand: string | null; last4: string | null } | null;
  receipt_url?: string | null;
  /** Radar's review while it is open. For service keys only. */
  review?: { id: string; reason: string; opened_at: string } | null;
}

export type CustomerSession = Schemas['CustomerSession'];

/** The view, and the secrets that Stripe.js needs. */
export interface OpenedPayment extends PaymentView {
  client_secret: string;
  customer_session: CustomerSession | null;
  publishable_key: string;
}

/** An order with its current payment, and its other payments, oldest first. */
export interface Order {
  order_id: string;
  closed: boolean;
  payment: PaymentView | null;
  superseded: PaymentView[];
}

/** The code of a problem that Kasse answers. */
export type ProblemCode = Schemas['ProblemCode'];

/** The body of an error: a problem document (RFC 9457). */
export interface Problem extends Omit<Schemas['Problem'], 'code' | 'payment'> {
  code: Open<ProblemCode>;
  payment?: PaymentView;
}

/**
 * An order as a backend opens it. Its terms are amount (minor units), currency, customer, capture
 * method and `setup_future_usage`.
 */
export type PaymentCreate = Schemas['PaymentCreate'];
export type CustomerSessionOptions = Schemas['CustomerSessionOptions'];

/** A token with which a page or an app pays one order, and its expiry (RFC 3339). */
export type OrderToken = Schemas['OrderToken'];

/** A refund. `status` is Stripe's: it may be a word that is newer than this package, or null. */
export interface Refund extends Omit<Schemas['Refund'], 'status'> {
  status: Open<'pending' | 'requires_action' | 'succeeded' | 'canceled' | 'failed'> | null;
}

/** A transition of a payment. `id` is the same at each delivery, in the feed and pushed. */
export interface KasseEvent extends Omit<Schemas['Event'], 'data'> {
  data: PaymentView;
}

/** An event as it is pushed to an endpoint. */
export interface PushedEvent extends KasseEvent {
  timestamp: string;
  /** The shop's `metadata` is left out of `data`, since the body would be too large. */
  truncated: boolean;
}
