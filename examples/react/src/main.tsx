import { takeReturnedPayment } from '@kasse/client';
import { KasseProvider } from '@kasse/client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Cart, Checkout } from './checkout';
import { Return } from './return';
import { getConfig, getToken } from './shop';
import { loadSimulatedStripe } from './simulator';

const returned = takeReturnedPayment(); // before anything else, so that no other code sees the secret
const { pathname, searchParams } = new URL(location.href);
const order = searchParams.get('order');
const root = document.getElementById('root')!;
const { kasse, stripe_js } = await getConfig().catch((error: unknown) => {
  root.textContent = 'The shop does not answer. Is kasse-dev running?';
  throw error;
});
await loadSimulatedStripe(stripe_js);

createRoot(root).render(
  <StrictMode>
    <KasseProvider baseUrl={kasse} getToken={getToken}>
      {!order ? (
        <Cart />
      ) : pathname === '/return' ? (
        <Return order={order} returned={returned} />
      ) : (
        <Checkout order={order} />
      )}
    </KasseProvider>
  </StrictMode>,
);
