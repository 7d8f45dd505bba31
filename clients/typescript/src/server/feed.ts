// The feed of all transitions, page by page.
import { passes } from '../follow.js';
import { isKasseError } from '../errors.js';
import type { Answer, Call } from '../request.js';
import type { KasseEvent } from '../types.js';
import { backoff, pause } from '../wait.js';

export interface FeedOptions {
  /** The cursor that was stored last; absent: from the oldest event kept; `latest`: from now on. */
  after?: string | undefined;
  /** Most events in one page, 1 to 500; 100 by default. */
  limit?: number;
  /** Only these types. A server that does not know filters answers `invalid_request`. */
  types?: string[];
  /** Only this order. The same holds for it. */
  orderId?: string;
  /** Ends the iteration without an error. */
  signal?: AbortSignal;
  /**
   * Is called with what went wrong while the feed cannot be read, and with undefined once it can be
   * again.
   */
  onTrouble?: (error: unknown) => void;
}

export interface EventPage {
  /** In order within an order, each at least once. Empty where only the cursor has moved. */
  events: KasseEvent[];
  /** Store it in the transaction that handles the events; it is `after` at the next start. */
  cursor: string;
}

const hold = 25; // seconds that the server holds an empty page: its maximum
// Milliseconds after an empty page. A server that is draining gives one at once; so does one that has passed
// 16,000 events of which none fits the filter, and its next page costs it as much.
const breath = 500;

/**
 * Yields pages until the signal aborts. Kasse remembers no position: `cursor` is the caller's to
 * store. It survives lost connections, servers that restart or ask to slow down. It throws what no
 * repetition mends, such as `cursor_expired`, whose `oldest` is where to go on.
 */
export async function* readFeed(
  read: (call: Call) => Promise<Answer<{ events: KasseEvent[]; next: string }>>,
  options: FeedOptions = {},
): AsyncGenerator<EventPage, void, void> {
  const { signal, limit, types, orderId, onTrouble } = options;
  let { after } = options;
  for (let failures = 0; !signal?.aborted;) {
    const wait = after === 'latest' ? 0 : hold; // the newest cursor is to be stored at once
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
      if (empty) await pause(breath, signal);
    } catch (error) {
      if (signal?.aborted) return;
      if (!passes(error)) throw error;
      onTrouble?.(error);
      await pause(backoff(failures++, isKasseError(error) ? error.retryAfter : undefined), signal);
    }
  }
}
