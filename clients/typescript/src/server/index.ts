// The entry for backends. It uses a service key: never load it into a page.
export {
  type CallOptions,
  type CancelReason,
  createKasseServer,
  type KasseServer,
  type KasseServerOptions,
  type RefundCreate,
} from './server.js';
export { type EventPage, type FeedOptions } from './feed.js';
export { type OrderPage, type OrderQuery } from './orders.js';
export { verifyEvent, type VerifyOptions } from './verify.js';
export { type ErrorCode, isKasseError, KasseError, type KasseErrorOf } from '../errors.js';
export type {
  CustomerSession,
  CustomerSessionOptions,
  KasseEvent,
  OpenedPayment,
  Order,
  OrderToken,
  OrderTokenCreate,
  PaymentCreate,
  PaymentView,
  Problem,
  ProblemCode,
  PushedEvent,
  Refund,
  State,
} from '../types.js';
