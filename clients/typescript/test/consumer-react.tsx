// A project that uses the React entry: it is type-checked, and never run.
import { KassePaymentElement, KasseProvider, usePayment, usePaymentStatus } from '@kasse/client/react';

export function Page({ order, returnUrl }: { order: string; returnUrl: string }) {
  const { status, opened } = usePayment(order);
  const returned = usePaymentStatus(order, { payment: 'pi_1', clientSecret: 'pi_1_secret_1' });
  return (
    <KasseProvider baseUrl="https://pay.shop.example" getToken={async () => 'token'}>
      <KassePaymentElement
        order={order}
        returnUrl={returnUrl}
        appearance={{ theme: 'night' }}
        locale="de"
        texts={{ paid: 'Bezahlt' }}
        onStatus={({ state }) => console.log(state)}
      />
      {/* @ts-expect-error: banks need an address to come back to */}
      <KassePaymentElement order={order} />
      {status?.state} {opened?.customer_session?.expires_at} {returned.status?.next}
    </KasseProvider>
  );
}
