// Verification of pushed events, as Standard Webhooks defines it.
import { KasseError } from '../errors.js';
import type { PushedEvent } from '../types.js';

export interface VerifyOptions {
  /**
   * The request's body as it arrived, never parsed and written anew: the signature is over its
   * bytes.
   */
  body: string | Uint8Array;
  /** The request's headers: those of fetch, or of Node. */
  headers: Headers | Record<string, string | string[] | undefined>;
  /** The endpoint's secret `whsec_…`; several while a rotation is under way. */
  secret: string | string[];
}

/**
 * Verifies a pushed event's signature and age (five minutes), and gives the event. Throws
 * `invalid_signature`: answer 400. Needs the package `standardwebhooks`. The same event may come
 * again: fulfil once per `order_id`, by a unique key of your own.
 */
export async function verifyEvent({ body, headers, secret }: VerifyOptions): Promise<PushedEvent> {
  const { Webhook } = await import('standardwebhooks');
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  const given = Object.fromEntries(names.map((name) => [name, header(headers, name)]));
  let cause: unknown;
  for (const one of [secret].flat()) {
    const webhook = new Webhook(one); // throws where the secret is not base64
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
