// The status of an order's payment, for the page that Stripe returns to.
import { useEffect, useState } from 'react';
import type { ReturnedPayment } from '../return.js';
import type { PaymentStatus } from '../types.js';
import { useKasse } from './provider.js';

/** The result of `usePaymentStatus`. */
export interface StatusHandle {
  /** The newest status; undefined until the first answer, and null if the order has no payment. */
  status: PaymentStatus | null | undefined;
  /** The reason that the payment cannot be followed: a KasseError, or an error of `getToken`. Undefined without one. */
  error: unknown;
  /** The error of the last try to read the status, while the hook tries again. Undefined without one. */
  trouble: unknown;
}

const nothing: StatusHandle = { status: undefined, error: undefined, trouble: undefined };

/**
 * Follows the payment that `takeReturnedPayment` has returned, with its client secret. Without
 * `returned`, as in a tab that is opened again, it follows the order's current payment with the order
 * token. It never opens a payment. It needs a `KasseProvider` around the component.
 */
export function usePaymentStatus(order: string, returned?: ReturnedPayment | undefined): StatusHandle {
  const kasse = useKasse(order);
  const [seen, setSeen] = useState(nothing);
  const { payment, clientSecret } = returned ?? {};

  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const news = (more: Partial<StatusHandle>) => {
      if (!signal.aborted) setSeen((old) => ({ ...old, ...more }));
    };
    const run = async () => {
      const id = payment ?? (await kasse.order(order, { signal })).payment?.payment_intent;
      if (!id) return news({ status: null });
      for await (const status of kasse.follow(id, {
        clientSecret,
        signal,
        onTrouble: (trouble) => news({ trouble }),
      }))
        news({ status });
    };
    setSeen(nothing);
    run().catch((error: unknown) => news({ error }));
    return () => stop.abort();
  }, [kasse, order, payment, clientSecret]);

  return seen;
}
