// The form around Stripe's Payment Element.
import { Elements, PaymentElement, useElements, useStripe } from '@stripe/react-stripe-js';
import type { Stripe } from '@stripe/stripe-js';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { OpenedPayment, PaymentStatus } from '../types.js';
import type { KassePaymentElementProps } from './payment-element.js';
import { formatMoney, type PaymentTexts } from './texts.js';
import type { PaymentHandle } from './use-payment.js';

interface CheckoutFormProps extends Omit<KassePaymentElementProps, 'texts'> {
  texts: PaymentTexts;
  payment: PaymentHandle;
  opened: OpenedPayment;
  status: PaymentStatus;
  stripe: Stripe;
  /** True while Stripe confirms the payment: the form must stay until Stripe has answered. */
  confirming: boolean;
  onConfirming: (confirming: boolean) => void;
}

/** Mounts the element. It mounts a new one when the payment or its customer session changes. */
export function CheckoutForm(props: CheckoutFormProps) {
  const { opened, stripe, appearance, locale } = props;
  const session = opened.customer_session?.client_secret;
  const renewal = useSessionRenewal(props);
  const options = {
    clientSecret: opened.client_secret,
    ...(session && { customerSessionClientSecret: session }),
    ...(appearance && { appearance }),
    ...(locale && { locale }),
  };
  return (
    <Elements key={`${opened.client_secret} ${session}`} stripe={stripe} options={options}>
      <Form {...props} {...renewal} />
    </Elements>
  );
}

function Form({
  texts,
  opened,
  status,
  returnUrl,
  locale,
  confirming,
  onConfirming,
  onLoaded,
  renew,
}: CheckoutFormProps & Renewal) {
  const stripe = useStripe();
  const elements = useElements();
  const [ready, setReady] = useState(false);
  const [confirmedAt, setConfirmedAt] = useState<number>(); // the version at which Stripe accepted: now it is old
  const [problem, setProblem] = useState<string>();
  const failed = status.state === 'failed';
  const confirmed = confirmedAt !== undefined && !(failed && status.version !== confirmedAt);

  useEffect(() => {
    if (status.amount !== opened.amount) void elements?.fetchUpdates(); // the price has changed
  }, [elements, status.amount, opened.amount]);

  async function confirm(event: FormEvent) {
    event.preventDefault();
    if (!stripe || !elements || !ready || confirming || confirmed) return;
    setProblem(undefined);
    onConfirming(true);
    try {
      const { error } = await stripe.confirmPayment({
        elements,
        confirmParams: { return_url: returnUrl },
        redirect: 'if_required',
      });
      // payment_intent_unexpected_state: another tab has paid or confirmed. The status shows the result.
      if (error && error.code !== 'payment_intent_unexpected_state')
        setProblem(error.message ?? texts.declined(null));
      else setConfirmedAt(status.version);
    } finally {
      onConfirming(false);
    }
  }

  const amount = formatMoney(status.amount, status.currency, locale);
  const complaint = problem ?? (failed && !confirmed ? texts.declined(status.failure) : undefined);
  const label = confirmed ? texts.checking : failed ? texts.tryAgain(amount) : texts.pay(amount);
  return (
    <form onSubmit={confirm} aria-busy={!ready || confirming}>
      <PaymentElement
        onReady={() => (setReady(true), onLoaded())}
        onLoadError={({ error }) => renew() || setProblem(error.message ?? texts.refused(undefined))}
      />
      <p role="alert">{confirming ? undefined : complaint}</p>
      <button type="submit" disabled={!ready || confirming || confirmed}>
        {!ready ? texts.loading : confirming ? texts.paying : label}
      </button>
    </form>
  );
}

interface Renewal {
  onLoaded: () => void;
  /**
   * Gets another session for an element that did not load, because its session may be used or
   * expired. Returns false if a new session did not help before.
   */
  renew: () => boolean;
}

/** Renews the customer session, also when a hidden tab becomes visible after the session has expired. */
function useSessionRenewal({ payment, opened, confirming }: CheckoutFormProps): Renewal {
  const { renewSession, reload } = payment;
  const session = opened.customer_session;
  const mayRenew = useRef(true);
  useEffect(() => {
    const look = () => {
      const old = session && Date.parse(session.expires_at) < Date.now();
      if (old && !document.hidden && !confirming) renewSession().catch(reload);
    };
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [session, confirming, renewSession, reload]);

  return {
    onLoaded: () => void (mayRenew.current = true),
    renew: () => {
      if (!session || !mayRenew.current) return false;
      mayRenew.current = false;
      renewSession().catch(reload);
      return true;
    },
  };
}
