import { takeReturnedPayment } from '@kasse/client';
import { KasseProvider } from '@kasse/client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Cart, Checkout } from './checkout';
import { Return } from './return';
import { getConfig, getToken } from './shop';
import { loadSimulatedStripe } from './simulator';

const returned = takeReturnedPayment(); // first of all: nothing else may see the secret
const { pathname, searchParams } = new URL(location.href);
const order = searchParams.get('order');
const { kasse, stripe_js } = await getConfig();
await loadSimulatedStripe(stripe_js);

createRoot(document.getElementById('root')!).render(
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
