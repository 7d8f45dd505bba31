// Where the components find Kasse, and how they get a token for an order.
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from 'react';
import { createKasse, type Kasse } from '../kasse.js';

type GetToken = (order: string) => Promise<string> | string;

export interface KasseProviderProps {
  /** Address of Kasse's public listener. */
  baseUrl: string;
  /** Asks the shop's backend for a token of this order. */
  getToken: GetToken;
  children?: ReactNode;
}

const Context = createContext<{ baseUrl: string; getToken: GetToken } | undefined>(undefined);

export function KasseProvider({ baseUrl, getToken, children }: KasseProviderProps) {
  const newest = useRef(getToken); // a function made at each render opens no payment anew
  useEffect(() => {
    newest.current = getToken;
  });
  const value = useMemo(() => ({ baseUrl, getToken: (order: string) => newest.current(order) }), [baseUrl]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** Gives the client of one order, the same at each render. */
export function useKasse(order: string): Kasse {
  const context = useContext(Context);
  if (!context) throw new Error('Kasse: the component needs a <KasseProvider> around it.');
  return useMemo(
    () => createKasse({ baseUrl: context.baseUrl, getToken: () => context.getToken(order) }),
    [context, order],
  );
}
