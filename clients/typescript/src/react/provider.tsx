// The address of Kasse and the tokens, for all components.
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from 'react';
import { createKasse, type Kasse } from '../kasse.js';

type GetToken = (order: string) => Promise<string> | string;

/** Props of `KasseProvider`. */
export interface KasseProviderProps {
  /** Address of Kasse's public API, such as `https://pay.shop.example`. */
  baseUrl: string;
  /** Gets a token for this order from the shop's backend. It may be a new function at each render. */
  getToken: GetToken;
  children?: ReactNode;
}

const Context = createContext<{ baseUrl: string; getToken: GetToken } | undefined>(undefined);

/** Provides the address and the tokens to `KassePaymentElement`, `usePayment` and `usePaymentStatus`. */
export function KasseProvider({ baseUrl, getToken, children }: KasseProviderProps) {
  const newest = useRef(getToken); // so that a new function at each render does not open the payment again
  useEffect(() => {
    newest.current = getToken;
  });
  const value = useMemo(() => ({ baseUrl, getToken: (order: string) => newest.current(order) }), [baseUrl]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** Returns the client of one order, the same at each render. */
export function useKasse(order: string): Kasse {
  const context = useContext(Context);
  if (!context) throw new Error('Kasse: put a <KasseProvider> around the component that shows the payment.');
  return useMemo(
    () => createKasse({ baseUrl: context.baseUrl, getToken: () => context.getToken(order) }),
    [context, order],
  );
}
