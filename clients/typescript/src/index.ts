export { createKasse, type Kasse, type KasseOptions } from './kasse.js';
export { type ErrorCode, isKasseError, KasseError, type KasseErrorOf } from './errors.js';
export type { FollowOptions } from './follow.js';
export { type ReturnedPayment, takeReturnedPayment } from './return.js';
export type {
  CustomerSession,
  Next,
  OpenedPayment,
  Order,
  PaymentStatus,
  PaymentView,
  Problem,
  ProblemCode,
  State,
} from './types.js';
