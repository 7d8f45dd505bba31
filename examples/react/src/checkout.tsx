import { KassePaymentElement } from '@kasse/client/react';
import { useState } from 'react';
import { createOrder } from './shop';

export function Cart() {
  const [problem, setProblem] = useState<string>();
  async function checkOut(guest: boolean) {
    try {
      const { order_id } = await createOrder(guest);
      location.assign(`/checkout?order=${order_id}`);
    } catch {
      setProblem('We could not reach the shop. Please try again.');
    }
  }
  return (
    <>
      <h1>Enamel kettle</h1>
      <button onClick={() => checkOut(false)}>Buy as Ada</button>{' '}
      <button onClick={() => checkOut(true)}>Buy as a guest</button>
      <p role="alert">{problem}</p>
    </>
  );
}

export function Checkout({ order }: { order: string }) {
  return (
    <>
      <h1>Payment</h1>
      <KassePaymentElement order={order} returnUrl={`${location.origin}/return?order=${order}`} />
    </>
  );
}
