// One HTTP request to Kasse, and its repetition.
import { KasseError } from './errors.js';
import type { Problem } from './types.js';
import { backoff, pause, throwIfAborted, withDeadline } from './wait.js';

export interface Settings {
  /** Address of Kasse's public listener, such as `https://pay.shop.example`. */
  baseUrl: string;
  /** Another fetch than the global one. */
  fetch?: typeof globalThis.fetch;
  /**
   * Repetitions of a request whose failure may pass; 2 by default. `follow` and `events` go on for
   * ever.
   */
  maxRetries?: number;
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH';
  path: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Milliseconds for the whole answer; 30 s by default. */
  timeout?: number;
}

export interface Answer<Body> {
  status: number;
  etag: string | undefined;
  body: Body;
}

/** Joins an API path of literal parts and ids; ids are escaped. */
export function path(parts: TemplateStringsArray, ...ids: string[]): string {
  return String.raw(parts, ...ids.map(encodeURIComponent));
}

/** Sends one request. Throws KasseError, or the signal's reason where the caller has aborted it. */
export async function send<Body>(settings: Settings, call: Call, credential: string): Promise<Answer<Body>> {
  const query = Object.entries(call.query ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encodeURIComponent(value)}`,
  );
  const url = settings.baseUrl.replace(/\/+$/, '') + call.path + (query.length > 0 ? `?${query.join('&')}` : '');
  const init: RequestInit = {
    method: call.method,
    headers: {
      ...call.headers,
      ...(call.body !== undefined && { 'Content-Type': 'application/json' }),
      Authorization: `Bearer ${credential}`,
    },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    // Without it a browser adds an If-None-Match of its own, and the first answer is held too. React
    // Native's fetch adds a query parameter instead, and older workerd refuses it: neither needs it.
    ...('cache' in Request.prototype && { cache: 'no-store' }),
  };
  try {
    return await withDeadline(call.timeout ?? 30_000, call.signal, async (signal) => {
      const response = await (settings.fetch ?? globalThis.fetch)(url, { ...init, signal });
      const text = await response.text();
      return {
        status: response.status,
        etag: response.headers.get('ETag') ?? undefined,
        body: read(response, text) as Body,
      };
    });
  } catch (cause) {
    throwIfAborted(call.signal);
    if (cause instanceof KasseError) throw cause;
    const detail = `Kasse did not answer at ${settings.baseUrl}.`;
    throw new KasseError({ code: 'unreachable', detail, retryable: true }, { cause });
  }
}

/** Gives the body of a success, and throws what a failure says. */
function read(response: Response, text: string): unknown {
  if (response.status === 304) return undefined;
  const { status } = response;
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (response.ok && body !== undefined) return body;
  if (!response.ok && typeof (body as Problem | undefined)?.code === 'string')
    throw new KasseError(body as Problem, { retryAfter });
  const passing = response.ok || status === 429 || status >= 500;
  throw new KasseError(
    { code: 'unexpected_response', status, detail: `The answer ${status} is not Kasse's.`, retryable: passing },
    { retryAfter },
  );
}

/** Longest pause before a repetition, in milliseconds. A longer one is the caller's to decide on. */
const longestPause = 10_000;

/** Runs work again while its failure may pass. */
export async function repeat<T>(
  settings: Settings,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (error) {
      const passing = error instanceof KasseError && error.retryable && failures < (settings.maxRetries ?? 2);
      const delay = passing ? backoff(failures, error.retryAfter) : Infinity;
      if (delay > longestPause) throw error;
      await pause(delay, signal);
      throwIfAborted(signal);
    }
  }
}
