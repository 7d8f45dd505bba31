// The entry for React. Its peers are react, @stripe/stripe-js and @stripe/react-stripe-js.
export { KasseProvider, type KasseProviderProps } from './provider.js';
export { type PaymentHandle, usePayment } from './use-payment.js';
export { type StatusHandle, usePaymentStatus } from './use-status.js';
export { KassePaymentElement, type KassePaymentElementProps } from './payment-element.js';
export { defaultTexts, formatMoney, outcomeText, type PaymentTexts } from './texts.js';
