// What the component says. Shops replace any of it by the prop `texts`.
import type { PaymentStatus } from '../types.js';

export interface PaymentTexts {
  loading: string;
  pay: (amount: string) => string;
  tryAgain: (amount: string) => string;
  paying: string;
  checking: string;
  /** A bank debit: days until it is paid. */
  processing: string;
  /** A voucher or a bank transfer; `until` is a date, where there is one. */
  elsewhere: (until: string | undefined) => string;
  /** The button that shows the voucher or the transfer again. */
  details: string;
  authorized: string;
  paid: string;
  canceled: string;
  /** Money was given back, or is disputed. */
  changed: string;
  /** After a decline that another page or an earlier visit has met. */
  declined: (failure: PaymentStatus['failure']) => string;
  /** Why the order cannot be paid, by the code of the error. */
  refused: (code: string | undefined) => string;
  reload: string;
  trouble: string;
}

const reasons: Record<string, string> = {
  insufficient_funds: 'There is not enough money on the account.',
  expired_card: 'The card has expired.',
  incorrect_cvc: 'The security code is wrong.',
  payment_intent_authentication_failure: 'Your bank could not confirm that it was you.',
  authentication_failure: 'Your bank could not confirm that it was you.',
};

const refusals: Record<string, string> = {
  order_closed: 'This order was cancelled. Nothing was charged.',
  attempts_exhausted: 'Too many attempts to pay this order have failed.',
  order_conflict: 'This order has changed. Please go back to the cart.',
};

export const defaultTexts: PaymentTexts = {
  loading: 'Loading',
  pay: (amount) => `Pay ${amount}`,
  tryAgain: (amount) => `Try again: pay ${amount}`,
  paying: 'Paying',
  checking: 'Checking your payment',
  processing: 'Your payment is on its way. Your bank takes some days; there is nothing left to do.',
  elsewhere: (until) => `Please pay with the details that you were shown${until ? `, until ${until}` : ''}.`,
  details: 'Show the details',
  authorized: 'Your order is placed. You are charged when we send it.',
  paid: 'Thank you, your order is paid.',
  canceled: 'This payment was cancelled. Nothing was charged.',
  changed: 'Your payment was given back, or is being looked at.',
  declined: (failure) =>
    reasons[failure?.decline_code ?? ''] ??
    reasons[failure?.code ?? ''] ??
    'The payment was declined. Please try another method.',
  refused: (code) =>
    refusals[code ?? ''] ?? 'We could not reach the payment service. Check your connection, then try again.',
  reload: 'Try again',
  trouble: 'No connection at the moment. Your payment is safe; we keep asking.',
};

/** Writes an amount in minor units as money, in the language of the browser or of `locale`. */
export function formatMoney(amount: number, currency: string, locale?: string): string {
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

/** Says what became of a payment that no form can pay now. */
export function outcomeText(status: PaymentStatus, texts: PaymentTexts = defaultTexts, locale?: string): string {
  const until = status.action?.expires_at;
  switch (status.state) {
    case 'action_required':
      return status.next === 'wait'
        ? texts.elsewhere(until ? new Date(until).toLocaleDateString(locale) : undefined)
        : texts.checking;
    case 'pending':
      return texts.checking;
    case 'failed':
      return texts.declined(status.failure);
    case 'processing':
      return texts.processing;
    case 'authorized':
      return texts.authorized;
    case 'paid':
      return texts.paid;
    case 'canceled':
      return texts.canceled;
    default:
      return texts.changed;
  }
}
