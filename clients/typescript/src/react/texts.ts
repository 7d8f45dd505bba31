// The texts of the component. The prop `texts` replaces any of them.
import type { PaymentStatus } from '../types.js';

/** The texts of `KassePaymentElement`. Amounts and dates come formatted. */
export interface PaymentTexts {
  /** While the payment or Stripe.js loads. */
  loading: string;
  /** The button of the form. */
  pay: (amount: string) => string;
  /** The button of the form after a decline. */
  tryAgain: (amount: string) => string;
  /** The button while Stripe confirms the payment. */
  paying: string;
  /** After the confirmation, until Kasse has the result. */
  checking: string;
  /** A bank debit that takes days until it is paid. */
  processing: string;
  /** A voucher or a bank transfer; `until` is a date, or undefined without one. */
  elsewhere: (until: string | undefined) => string;
  /** The button that shows the voucher or the transfer again. */
  details: string;
  /** The money is authorised, and the shop captures it later. */
  authorized: string;
  /** The order is paid. */
  paid: string;
  /** The payment was cancelled. */
  canceled: string;
  /** The money was refunded, or the payment is disputed. */
  changed: string;
  /** After a decline on another page or at an earlier visit. On this page Stripe's own text shows it. */
  declined: (failure: PaymentStatus['failure']) => string;
  /** The order cannot be paid; `code` is that of the `KasseError`, or undefined for another error. */
  refused: (code: string | undefined) => string;
  /** The button below `refused`. */
  reload: string;
  /** While the status cannot be read. */
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

/** The English texts. */
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

// Digits of a currency's minor unit at Stripe, if they are not two. The digits of Intl differ (HUF, ISK, UGX), and
// change between versions of a browser. Source: https://docs.stripe.com/currencies
const digitsAtStripe = new Map<string, number>([
  ...'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' ').map((code) => [code, 0] as const),
  ...'bhd jod kwd omr tnd'.split(' ').map((code) => [code, 3] as const),
]);

/**
 * Formats an amount in Stripe's minor unit of the currency (lower-case ISO 4217), in the language of the
 * browser or of `locale`: 4200 and `eur` is €42.00.
 */
export function formatMoney(amount: number, currency: string, locale?: string): string {
  const digits = digitsAtStripe.get(currency) ?? 2;
  const format = { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits } as const;
  return new Intl.NumberFormat(locale, format).format(amount / 10 ** digits);
}

/** Returns the text for a payment that no form can pay now. A state newer than this package gets `changed`. */
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
