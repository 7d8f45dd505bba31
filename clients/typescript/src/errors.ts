// The one class of errors that this package throws.
import type { PaymentView, Problem, ProblemCode } from './types.js';

/**
 * A code of Kasse's, or one of this client: `unreachable` (no answer came) and `unexpected_response`
 * (the answer is not Kasse's, as from a proxy).
 */
export type ErrorCode = ProblemCode | 'unreachable' | 'unexpected_response';

/** A request that failed. Decide by `code`; `isKasseError` narrows the type by it. */
export class KasseError extends Error {
  override readonly name = 'KasseError';
  readonly code: ErrorCode | (string & {});
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** The same request may succeed later, as it is. */
  readonly retryable: boolean;
  /** Seconds to wait before the next try, where the server names them. */
  readonly retryAfter: number | undefined;
  /** The payment that stands in the way. */
  readonly payment: PaymentView | undefined;
  /** With `cursor_expired`: the oldest cursor that is still kept. */
  readonly oldest: string | undefined;
  /** The bank's reason, where Stripe passes one on. */
  readonly declineCode: string | undefined;
  /** Names the request in Kasse's log. */
  readonly requestId: string | undefined;
  /** Members, parameters or headers that are not valid. */
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

export type KasseErrorOf<Code extends ErrorCode> = Code extends keyof Guaranteed
  ? KasseError & { code: Code } & Guaranteed[Code]
  : KasseError & { code: Code };

/** Reports whether an error is a `KasseError`, and has one of the codes where any are given. */
export function isKasseError(error: unknown): error is KasseError;
export function isKasseError<Code extends ErrorCode>(error: unknown, ...codes: Code[]): error is KasseErrorOf<Code>;
export function isKasseError(error: unknown, ...codes: string[]): boolean {
  return error instanceof KasseError && (codes.length === 0 || codes.includes(error.code));
}
