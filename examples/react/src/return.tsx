import type { ReturnedPayment } from '@kasse/client';
import { formatMoney, outcomeText, usePaymentStatus } from '@kasse/client/react';

/**
 * The page to which a bank sends the customer back. It ignores the outcome in the address, which any
 * visitor can change, and reads the status from Kasse.
 */
export function Return({ order, returned }: { order: string; returned: ReturnedPayment | undefined }) {
  const { status, error, trouble } = usePaymentStatus(order, returned);
  const again = <a href={`/checkout?order=${order}`}>Back to the payment</a>;
  if (error !== undefined)
    return <p role="alert">We do not know this payment. If you have paid, we will write to you.</p>;
  if (status === undefined) return <p>Checking your payment</p>;
  if (status === null) return <p>This order is not paid yet. {again}</p>;
  return (
    <>
      <h1>Your order</h1>
      <p>{formatMoney(status.amount, status.currency)}</p>
      <p role="status">{outcomeText(status)}</p>
      {status.next !== 'none' && status.next !== 'wait' && again}
      {trouble !== undefined && <p>No connection at the moment; we keep asking.</p>}
    </>
  );
}
