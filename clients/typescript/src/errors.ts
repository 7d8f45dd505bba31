// The one class of errors that this package throws.
import type { PaymentView, Problem, ProblemCode } from './types.js';

/**
 * A code of Kasse, or one that this client adds: `unreachable` (no answer came) and
 * `unexpected_response` (the answer is not Kasse's, for example a proxy's).
 */
export type ErrorCode = ProblemCode | 'unreachable' | 'unexpected_response';

/**
 * A request that failed. Decide by `code`; `isKasseError` narrows the type by it. `message` is English
 * for developers: show your own texts to customers.
 */
export class KasseError extends Error {
  override readonly name = 'KasseError';
  /** The kind of the error. Later versions of Kasse may add codes. */
  readonly code: ErrorCode | (string & {});
  /** The HTTP status; 0 if no answer came. */
  readonly status: number;
  /** True if the same request may succeed later. */
  readonly retryable: boolean;
  /** Seconds to wait before the next try, if the answer names them. */
  readonly retryAfter: number | undefined;
  /** The payment that prevents the request. */
  readonly payment: PaymentView | undefined;
  /** With `cursor_expired`: the oldest cursor that is still valid. */
  readonly oldest: string | undefined;
  /** The bank's reason, if Stripe returned one. */
  readonly declineCode: string | undefined;
  /** The id of the request in Kasse's log. */
  readonly requestId: string | undefined;
  /** The mistakes of the request, each with its position: a member, a parameter or a header. */
  readonly details: NonNullable<Problem['errors']>;

  constructor(
    problem: Partial<Problem> & { code: string },
    options: ErrorOptions & { retryAfter?: number | undefined } = {},
  ) {
    super(problem.detail ?? problem.title ?? problem.code, options);
    this.code = problem.code;
    this.status = problem.status ?? 0;
    this.retryable = problem.retryable ?? false;
    this.retryAfter = options.retryAfter;
    this.payment = problem.payment;
    this.oldest = problem.oldest;
    this.declineCode = problem.decline_code;
    this.requestId = problem.request_id;
    this.details = problem.errors ?? [];
  }
}

/** Members that an error with this code always has. */
interface Guaranteed {
  order_already_paid: { payment: PaymentView };
  payment_in_progress: { payment: PaymentView };
  cursor_expired: { oldest: string };
}

/** A `KasseError` with this code, and with the members that an error with this code always has. */
export type KasseErrorOf<Code extends ErrorCode> = Code extends keyof Guaranteed
  ? KasseError & { code: Code } & Guaranteed[Code]
  : KasseError & { code: Code };

/** Reports whether an error is a `KasseError`. With codes it must also have one of them. */
export function isKasseError(error: unknown): error is KasseError;
export function isKasseError<Code extends ErrorCode>(error: unknown, ...codes: Code[]): error is KasseErrorOf<Code>;
export function isKasseError(error: unknown, ...codes: string[]): boolean {
  return error instanceof KasseError && (codes.length === 0 || codes.includes(error.code));
}
