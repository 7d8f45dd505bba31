// Stripe.js, always from Stripe and never from a copy. The entry "pure" loads it at the first payment,
// and not at the import.
import type { Stripe } from '@stripe/stripe-js';
// The whole file name, because Node resolves neither the folder nor the types of index.mjs.
import { loadStripe } from '@stripe/stripe-js/pure/index.js';
import { useEffect, useState } from 'react';

/** Loads Stripe.js for the account's publishable key, once for the page. `retry` loads it again after an error. */
export function useStripeScript(key: string | undefined): {
  loaded: Stripe | undefined;
  error: unknown;
  retry: () => void;
} {
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{ key?: string; loaded?: Stripe | undefined; error?: unknown }>({});
  useEffect(() => {
    if (!key) return;
    let here = true;
    const set = (news: typeof state) => here && setState({ key, ...news });
    loadStripe(key).then(
      (loaded) => set({ loaded: loaded ?? undefined }),
      (error: unknown) => set({ error }),
    );
    return () => void (here = false);
  }, [key, round]);
  const current = state.key === key ? state : {};
  return {
    loaded: current.loaded,
    error: current.error,
    retry: () => (setState({}), setRound((before) => before + 1)),
  };
}
