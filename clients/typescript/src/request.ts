// One HTTP request to Kasse, and its retries.
import { KasseError } from './errors.js';
import type { Problem } from './types.js';
import { backoff, pause, throwIfAborted, withDeadline } from './wait.js';

/** Options that all clients have. */
export interface Settings {
  /** Address of Kasse's public API, such as `https://pay.shop.example`. */
  baseUrl: string;
  /** Replaces the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /**
   * How often a call repeats its request after a temporary failure; 2 by default. `follow` and
   * `events` repeat without limit.
   */
  maxRetries?: number;
}

/** Throws TypeError where `baseUrl` is missing, as from an environment variable that is not set. */
export function checkSettings({ baseUrl }: Settings, caller: string): void {
  if (typeof baseUrl !== 'string') throw new TypeError(`${caller} needs baseUrl, such as https://pay.shop.example`);
}

/** One request. */
export interface Call {
  method: 'GET' | 'POST' | 'PATCH';
  path: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Milliseconds until the whole answer must be there; 30,000 by default. */
  timeout?: number;
}

/** A 2xx or 304 answer. With 304 `body` is undefined. */
export interface Answer<Body> {
  status: number;
  etag: string | undefined;
  body: Body;
}

/** Joins the literal parts and the ids of an API path. It escapes the ids. */
export function path(parts: TemplateStringsArray, ...ids: string[]): string {
  return String.raw(parts, ...ids.map(encodeURIComponent));
}

/** Sends one request. Throws KasseError, or the signal's reason if the caller has aborted it. */
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
    // Without no-store a browser adds its own If-None-Match, and Kasse holds the first answer, too. React
    // Native's fetch would add a query parameter, and older workerd refuses the option: neither needs it.
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
    const detail = `Kasse did not answer at ${settings.baseUrl}. In a browser, check CORS_ALLOWED_ORIGINS, too.`;
    throw new KasseError({ code: 'unreachable', detail, retryable: true }, { cause });
  }
}

/** Returns the body of a success, and throws a failure as KasseError. */
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
  const retryable = response.ok || status === 429 || status >= 500;
  const detail = `The answer with status ${status} is not from Kasse: check baseUrl and the proxies.`;
  throw new KasseError({ code: 'unexpected_response', status, detail, retryable }, { retryAfter });
}

/** Longest pause before a retry, in milliseconds. With a longer Retry-After the call throws, and the caller decides. */
const longestPause = 10_000;

/** Runs work again while its error is retryable. Throws the last error, or the signal's reason after an abort. */
export async function repeat<T>(
  settings: Settings,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof KasseError && error.retryable && failures < (settings.maxRetries ?? 2);
      const delay = again ? backoff(failures, error.retryAfter) : Infinity;
      if (delay > longestPause) throw error;
      await pause(delay, signal);
      throwIfAborted(signal);
    }
  }
}
