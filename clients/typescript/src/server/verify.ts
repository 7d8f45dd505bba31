// Verification of pushed events by the rules of Standard Webhooks.
import { KasseError } from '../errors.js';
import type { PushedEvent } from '../types.js';

/** Options of `verifyEvent`. */
export interface VerifyOptions {
  /**
   * The request's body as it arrived, never parsed and written again: the signature is over its
   * bytes.
   */
  body: string | Uint8Array;
  /** The request's headers, as fetch or Node has them. */
  headers: Headers | Record<string, string | string[] | undefined>;
  /** The endpoint's secret in Kasse's `EVENT_ENDPOINTS`, `whsec_…`; several during a rotation. */
  secret: string | string[];
}

/**
 * Verifies the signature and the age (at most five minutes) of a pushed event, and returns the event.
 * Throws a `KasseError` with `invalid_signature`: answer 400 or 401, and Kasse tries again later. Throws
 * TypeError or Error for a secret that is empty or not base64. It needs the package
 * `standardwebhooks`. The same event may come again: fulfil once per `order_id`, by a unique key of
 * your own.
 */
export async function verifyEvent({ body, headers, secret }: VerifyOptions): Promise<PushedEvent> {
  const { Webhook } = await import('standardwebhooks');
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  const given = Object.fromEntries(names.map((name) => [name, header(headers, name)]));
  let cause: unknown;
  for (const one of [secret].flat()) {
    if (!one) throw new TypeError('verifyEvent: the secret is empty');
    const webhook = new Webhook(one); // throws if the secret is not base64
    try {
      return webhook.verify(text, given) as PushedEvent;
    } catch (error) {
      cause = error;
    }
  }
  throw new KasseError(
    { code: 'invalid_signature', status: 400, detail: 'The signature of the pushed event is not valid.' },
    { cause },
  );
}

function header(headers: VerifyOptions['headers'], name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name];
  return [value].flat()[0] ?? '';
}
