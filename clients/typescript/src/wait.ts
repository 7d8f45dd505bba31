// Waits for a time, for the network, and for a visible tab. Every wait ends when its signal aborts.

/** Waits for a number of milliseconds. It returns earlier when the browser is online again. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', end);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    globalThis.addEventListener?.('online', end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  });
}

/** Waits while the page's tab is hidden. Outside of a page it returns at once. */
export async function untilVisible(signal?: AbortSignal): Promise<void> {
  while (globalThis.document?.hidden && !signal?.aborted) {
    await new Promise<void>((resolve) => {
      const end = () => {
        document.removeEventListener('visibilitychange', end);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      document.addEventListener('visibilitychange', end);
      signal?.addEventListener('abort', end);
    });
  }
}

/**
 * Throws the signal's reason if it has aborted. React Native's signals have neither a method
 * `throwIfAborted` nor a reason.
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw signal.reason ?? Object.assign(new Error('The request was aborted.'), { name: 'AbortError' });
}

/**
 * Runs work with a signal that aborts after a number of milliseconds, when the caller's signal aborts,
 * and when the browser goes offline: a dead connection may otherwise hang for minutes. It does not use
 * `AbortSignal.any`, which React Native does not have.
 */
export async function withDeadline<T>(
  ms: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  throwIfAborted(outer);
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, ms);
  outer?.addEventListener('abort', abort);
  globalThis.addEventListener?.('offline', abort);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', abort);
    globalThis.removeEventListener?.('offline', abort);
  }
}

/**
 * Returns the milliseconds until the next try: the server's Retry-After (seconds), or else 1 s, doubled
 * at each failure up to 30 s, minus up to a fifth at random.
 */
export function backoff(failures: number, retryAfter?: number): number {
  return retryAfter !== undefined ? retryAfter * 1000 : Math.min(2 ** failures, 30) * 1000 * (1 - Math.random() / 5);
}
