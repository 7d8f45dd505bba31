// Following a payment by long polls: the server holds each request until the payment changes.
import { isKasseError } from './errors.js';
import { type Answer, type Call, path } from './request.js';
import type { PaymentStatus } from './types.js';
import { backoff, pause, untilVisible } from './wait.js';

/** Options of `follow`. */
export interface FollowOptions {
  /** The payment's client secret. `follow` sends it instead of the order token. */
  clientSecret?: string | undefined;
  /** An abort ends the iteration without an error. */
  signal?: AbortSignal | undefined;
  /**
   * Called with the error each time that the status cannot be read, and with undefined when it can be
   * read again.
   */
  onTrouble?: ((error: unknown) => void) | undefined;
}

const hold = 25; // seconds that the server holds a request without a change: its maximum
const spare = 15_000; // milliseconds beyond that until a connection counts as dead
const pauseUnchanged = 500; // milliseconds after an unchanged answer: a server that drains sends it at once

/**
 * Yields the payment's status now and after each change, and returns after the final one. The
 * `state` may be the same twice, while another field has changed. It continues after lost
 * connections, a restart of the server, a rate limit and an expired token. It sends no request in a
 * hidden tab. It throws an error that a repeat cannot cure, such as `not_found`.
 */
export async function* followPayment(
  read: (call: Call) => Promise<Answer<PaymentStatus>>,
  payment: string,
  { signal, onTrouble }: FollowOptions,
): AsyncGenerator<PaymentStatus, void, void> {
  let etag: string | undefined;
  let version = 0;
  let failures = 0;
  while (!signal?.aborted) {
    await untilVisible(signal);
    if (signal?.aborted) return;
    try {
      const {
        status,
        etag: tag,
        body,
      } = await read({
        method: 'GET',
        path: path`/v1/payments/${payment}`,
        ...(etag && { query: { wait: hold }, headers: { 'If-None-Match': etag } }),
        signal,
        timeout: hold * 1000 + spare,
      });
      if (failures > 0) onTrouble?.(undefined);
      failures = 0;
      if (status === 304 || body.version <= version) {
        await pause(pauseUnchanged, signal); // an older version: another replica may be a moment behind
        continue;
      }
      [etag, version] = [tag, body.version];
      yield body;
      if (body.final) return;
    } catch (error) {
      if (signal?.aborted) return;
      if (!isTemporary(error)) throw error;
      onTrouble?.(error);
      await pause(backoff(failures++, isKasseError(error) ? error.retryAfter : undefined), signal);
    }
  }
}

/**
 * Reports whether a repeat may succeed. An error of the shop's own `getToken` counts as temporary,
 * unless it has `retryable: false`.
 */
export function isTemporary(error: unknown): boolean {
  return (error as { retryable?: boolean } | undefined)?.retryable !== false;
}
