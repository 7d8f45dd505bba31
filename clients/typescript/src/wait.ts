// Waiting: for time, for the network, and for the tab to be seen. Every wait ends when its signal
// aborts.

/** Waits so many milliseconds, or until the browser is online again. */
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

/** Waits while the page is in a hidden tab. Outside of pages it returns at once. */
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
 * Throws the signal's reason where it has aborted. React Native's signals have neither this method
 * nor a reason.
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw signal.reason ?? Object.assign(new Error('The request was aborted.'), { name: 'AbortError' });
}

/**
 * Runs work with a signal that aborts after so many milliseconds, with the caller's signal, and when
 * the browser goes offline: a connection that is dead may otherwise hang for minutes.
 * `AbortSignal.any` is missing in React Native.
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
 * Milliseconds until the next try: what the server asks for, or 1 s doubled at each failure up to
 * 30 s, less up to a fifth.
 */
export function backoff(failures: number, retryAfter?: number): number {
  return retryAfter !== undefined ? retryAfter * 1000 : Math.min(2 ** failures, 30) * 1000 * (1 - Math.random() / 5);
}
