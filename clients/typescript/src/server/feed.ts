// The feed of all events, page by page.
import { isTemporary } from '../follow.js';
import { isKasseError } from '../errors.js';
import type { Answer, Call } from '../request.js';
import type { KasseEvent } from '../types.js';
import { backoff, pause } from '../wait.js';

/** Options of `events`. */
export interface FeedOptions {
  /** The cursor that you stored last. `latest` skips all past events. Without it: from the oldest event kept. */
  after?: string | undefined;
  /** The largest number of events in one page, 1 to 500; 100 by default. */
  limit?: number;
  /** Only events of these types, such as `order.paid`. `invalid_request`: the server does not know a type. */
  types?: string[];
  /** Only events of this order. */
  orderId?: string;
  /** An abort ends the iteration without an error. */
  signal?: AbortSignal;
  /**
   * Called with the error each time that the feed cannot be read, and with undefined when it can be
   * read again.
   */
  onTrouble?: (error: unknown) => void;
}

/** A page of the feed. */
export interface EventPage {
  /** In order within an order; each event comes at least once. Empty if only the cursor has moved. */
  events: KasseEvent[];
  /** Store it in the transaction that handles the events. It is `after` at the next start. */
  cursor: string;
}

const hold = 25; // seconds that the server holds an empty page: its maximum
// Milliseconds after an empty page. A server that drains sends one at once. So does a server that has passed 16,000
// events without a match for the filter, and its next page costs it as much.
const pauseEmpty = 500;

/**
 * Yields pages until the signal aborts. Kasse stores no position: the caller stores `cursor`. It
 * continues after lost connections, a restart of the server and a rate limit. It throws an error that
 * a repeat cannot cure, such as `cursor_expired`: continue from its `oldest`.
 */
export async function* readFeed(
  read: (call: Call) => Promise<Answer<{ events: KasseEvent[]; next: string }>>,
  options: FeedOptions = {},
): AsyncGenerator<EventPage, void, void> {
  const { signal, limit, types, orderId, onTrouble } = options;
  let { after } = options;
  for (let failures = 0; !signal?.aborted;) {
    const wait = after === 'latest' ? 0 : hold; // the caller should store the newest cursor at once
    const query = { after, limit, wait, type: types?.join(','), order_id: orderId };
    try {
      const { body } = await read({
        method: 'GET',
        path: '/v1/events',
        query,
        signal,
        timeout: hold * 1000 + 15_000,
      });
      if (failures > 0) onTrouble?.(undefined);
      failures = 0;
      const empty = body.events.length === 0;
      const moved = body.next !== after;
      after = body.next;
      if (moved || !empty) yield { events: body.events, cursor: body.next };
      if (empty) await pause(pauseEmpty, signal);
    } catch (error) {
      if (signal?.aborted) return;
      if (!isTemporary(error)) throw error;
      onTrouble?.(error);
      await pause(backoff(failures++, isKasseError(error) ? error.retryAfter : undefined), signal);
    }
  }
}
