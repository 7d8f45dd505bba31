// Following a payment: one request is held by the server until there is news, then the next.
import { isKasseError } from './errors.js';
import { type Answer, type Call, path } from './request.js';
import type { PaymentStatus } from './types.js';
import { backoff, pause, untilVisible } from './wait.js';

export interface FollowOptions {
  /** The payment's client secret, instead of the order token. */
  clientSecret?: string | undefined;
  /** Ends the iteration without an error. */
  signal?: AbortSignal | undefined;
  /**
   * Is called with what went wrong while no status can be read, and with undefined once it can be
   * again.
   */
  onTrouble?: ((error: unknown) => void) | undefined;
}

const hold = 25; // seconds that the server holds an answer without news: its maximum
const spare = 15_000; // milliseconds beyond that until a connection counts as dead
const breath = 500; // milliseconds after an answer without news: a server that is draining gives it at once

/**
 * Yields the payment's status now and after each change, and returns after the final one. The
 * `state` may be the same twice, while another field has changed. It survives lost connections, servers that restart or ask to slow down, and an expired token; it
 * asks nothing in a hidden tab. It throws what no repetition mends, such as `not_found`.
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
        await pause(breath, signal); // another replica may be a moment behind
        continue;
      }
      [etag, version] = [tag, body.version];
      yield body;
      if (body.final) return;
    } catch (error) {
      if (signal?.aborted) return;
      if (!passes(error)) throw error;
      onTrouble?.(error);
      await pause(backoff(failures++, isKasseError(error) ? error.retryAfter : undefined), signal);
    }
  }
}

/**
 * Reports whether a failure may pass. One of the shop's own `getToken` may, unless it has
 * `retryable: false`.
 */
export function passes(error: unknown): boolean {
  return (error as { retryable?: boolean } | undefined)?.retryable !== false;
}
