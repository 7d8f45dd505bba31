// The payment of an order, opened and followed while the component is mounted.
import { useCallback, useEffect, useState } from 'react';
import { isKasseError } from '../errors.js';
import type { Kasse } from '../kasse.js';
import type { OpenedPayment, PaymentStatus } from '../types.js';
import { pause } from '../wait.js';
import { useKasse } from './provider.js';

interface Seen {
  /** The newest status; undefined until the first answer. */
  status: PaymentStatus | undefined;
  /** The secrets for Stripe.js; undefined if the order takes no payment any more. */
  opened: OpenedPayment | undefined;
  /**
   * The reason that there is no payment, or that it cannot be followed: a KasseError, or the error of
   * `getToken`. Undefined without one.
   */
  error: unknown;
  /** The error of the last try to read the status, while the hook tries again. Undefined without one. */
  trouble: unknown;
}

/** The result of `usePayment`. */
export interface PaymentHandle extends Seen {
  /** Opens the payment again, after an error. */
  reload(): void;
  /** Puts another customer session for the payment into `opened`. Rejects if Kasse makes none. */
  renewSession(): Promise<void>;
}

const nothing: Seen = { status: undefined, opened: undefined, error: undefined, trouble: undefined };

/**
 * Opens the payment of an order and follows it. Effects that run twice, as in StrictMode, send one
 * request. If the payment is superseded or cancelled, for example by another currency in the cart, it
 * opens the next one. It needs a `KasseProvider` around the component.
 */
export function usePayment(order: string): PaymentHandle {
  const kasse = useKasse(order);
  const [state, setState] = useState({ kasse, seen: nothing });
  const seen = state.kasse === kasse ? state.seen : nothing; // of another order, until the effect runs
  const [round, setRound] = useState(0);

  useEffect(() => {
    const stop = new AbortController();
    setState({ kasse, seen: nothing });
    void run(kasse, stop.signal, (news) => {
      if (!stop.signal.aborted) setState((old) => ({ kasse, seen: { ...old.seen, ...news } }));
    });
    return () => stop.abort();
  }, [kasse, round]);

  const payment = seen.opened?.payment_intent;
  const renewSession = useCallback(async () => {
    if (!payment) return;
    const session = await kasse.refreshSession(payment);
    const renew = (opened?: OpenedPayment) =>
      opened?.payment_intent === payment ? { ...opened, customer_session: session } : opened;
    setState((old) => ({ ...old, seen: { ...old.seen, opened: renew(old.seen.opened) } }));
  }, [kasse, payment]);
  const reload = useCallback(() => setRound((before) => before + 1), []);

  return { ...seen, reload, renewSession };
}

const betweenOpens = 2000; // milliseconds: for any answers of the server, the page does not open in a hot loop

async function run(kasse: Kasse, signal: AbortSignal, news: (seen: Partial<Seen>) => void): Promise<void> {
  try {
    while (!signal.aborted) {
      const { status, opened } = await openOrFind(kasse);
      news({ status, opened });
      if (status.final) return;
      const stale = (now: PaymentStatus) => isOver(now) || (!opened && isPayable(now));
      if (!(await followUntil(stale, kasse, status.payment_intent, signal, news))) return;
      await pause(betweenOpens, signal);
    }
  } catch (error) {
    news({ error });
  }
}

/**
 * Reports whether only another payment can pay the order. `open` then returns that payment, unless the
 * order is closed.
 */
function isOver(status: PaymentStatus): boolean {
  return status.superseded || status.state === 'canceled';
}

/** Reports whether a form can pay the payment now. */
export function isPayable(status: PaymentStatus): boolean {
  return ['pay', 'retry', 'authenticate'].includes(status.next);
}

/** Opens the payment, or returns the one that is paid or in progress. */
async function openOrFind(kasse: Kasse): Promise<{ status: PaymentStatus; opened: OpenedPayment | undefined }> {
  try {
    const opened = await kasse.open();
    return { status: opened, opened };
  } catch (error) {
    if (!isKasseError(error) || !error.payment) throw error;
    return { status: error.payment, opened: undefined };
  }
}

/**
 * Follows a payment until it is final or stale, and reports whether it is stale. Stale means that it is
 * over, or that it can be paid again but the secrets are missing, as after a debit that failed.
 */
async function followUntil(
  stale: (status: PaymentStatus) => boolean,
  kasse: Kasse,
  payment: string,
  signal: AbortSignal,
  news: (seen: Partial<Seen>) => void,
): Promise<boolean> {
  const onTrouble = (trouble: unknown) => news({ trouble });
  for await (const status of kasse.follow(payment, { signal, onTrouble })) {
    if (stale(status)) return true;
    news({ status });
  }
  return false;
}
