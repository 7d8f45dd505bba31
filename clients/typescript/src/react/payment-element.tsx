// The whole checkout of an order: the form while it can be paid, then the result.
import type { Appearance, Stripe, StripeElementLocale } from '@stripe/stripe-js';
import { useEffect, useState } from 'react';
import { KasseError } from '../errors.js';
import type { PaymentStatus } from '../types.js';
import { CheckoutForm } from './checkout-form.js';
import { defaultTexts, outcomeText, type PaymentTexts } from './texts.js';
import { isPayable, usePayment } from './use-payment.js';
import { useStripeScript } from './use-stripe-script.js';

/** Props of `KassePaymentElement`. */
export interface KassePaymentElementProps {
  /** The shop's own name for the order. */
  order: string;
  /** The absolute address to which banks send the customer back. Call `takeReturnedPayment` on that page. */
  returnUrl: string;
  /** Stripe's appearance of the form. */
  appearance?: Appearance;
  /** The language of the form, and of amounts and dates. The default is the browser's. */
  locale?: StripeElementLocale;
  /** Texts that replace the English ones. */
  texts?: Partial<PaymentTexts>;
  /**
   * Called with each status, for example to leave the page at `paid`. Ship by your backend's events,
   * never by this.
   */
  onStatus?: (status: PaymentStatus) => void;
}

/**
 * Shows Stripe's Payment Element for an order, and then the state of its payment. It needs a
 * `KasseProvider` around it. It has no style of its own: its class is `kasse-payment`, and
 * `data-state` holds the payment's state.
 */
export function KassePaymentElement(props: KassePaymentElementProps) {
  const payment = usePayment(props.order);
  const { status, opened, error } = payment;
  const stripe = useStripeScript(opened?.publishable_key);
  const [confirming, setConfirming] = useState(false);
  const texts = { ...defaultTexts, ...props.texts };
  const { onStatus } = props;
  useEffect(() => {
    if (status) onStatus?.(status);
  }, [status, onStatus]);

  function content() {
    const failed = error ?? stripe.error;
    if (failed) {
      const reload = () => (stripe.retry(), payment.reload());
      return <Refusal texts={texts} error={failed} reload={reload} />;
    }
    if (!status) return <Loading texts={texts} />;
    if (!opened || !(isPayable(status) || confirming))
      return (
        <>
          <p role="status">{outcomeText(status, texts, props.locale)}</p>
          {opened && stripe.loaded && status.action && status.next === 'wait' && (
            <Details texts={texts} stripe={stripe.loaded} clientSecret={opened.client_secret} />
          )}
        </>
      );
    if (!stripe.loaded) return <Loading texts={texts} />;
    const form = { ...props, texts, payment, opened, status, stripe: stripe.loaded };
    return <CheckoutForm {...form} confirming={confirming} onConfirming={setConfirming} />;
  }
  return (
    <div className="kasse-payment" data-state={status?.state}>
      {content()}
      {payment.trouble !== undefined && <p role="status">{texts.trouble}</p>}
    </div>
  );
}

/**
 * Shows a voucher or a transfer again. For a payment that waits for one, Stripe.js makes no Payment
 * Element.
 */
function Details({ texts, stripe, clientSecret }: { texts: PaymentTexts; stripe: Stripe; clientSecret: string }) {
  const [problem, setProblem] = useState<string>();
  const show = async () => {
    setProblem(undefined);
    const { error } = await stripe.handleNextAction({ clientSecret });
    if (error) setProblem(error.message ?? texts.refused(undefined));
  };
  return (
    <>
      <p role="alert">{problem}</p>
      <button type="button" onClick={() => void show()}>
        {texts.details}
      </button>
    </>
  );
}

const Loading = ({ texts }: { texts: PaymentTexts }) => <p aria-busy>{texts.loading}</p>;

function Refusal({ texts, error, reload }: { texts: PaymentTexts; error: unknown; reload: () => void }) {
  const code = error instanceof KasseError ? error.code : undefined;
  return (
    <div>
      <p role="alert">{texts.refused(code)}</p>
      <button type="button" onClick={reload}>
        {texts.reload}
      </button>
    </div>
  );
}
