// Medusa's provider turns an event into an action, which the rest of Medusa executes.
import { createRequire } from 'node:module';
import { sign } from './sign.mjs';

const { default: Provider } = createRequire(import.meta.url)('@medusajs/payment-stripe/dist/services/stripe-provider');

export async function startMedusa() {
  const provider = new Provider({}, {
    apiKey: 'sk_test_plugins', webhookSecret: 'whsec_plugins', asyncPaymentMethodTypes: ['sepa_debit'],
  });
  provider.stripe_.paymentMethods.retrieve = async (id) => ({ id, type: 'sepa_debit' }); // called for debits only
  let last;
  return {
    name: 'Medusa 2.21.2, last action',
    open() { last = 'none'; },
    async deliver(event) {
      const { body, headers } = sign(event);
      const { action, data } = await provider.getWebhookActionAndData({ rawData: body, headers });
      if (action !== 'not_supported') last = action === 'captured' ? `${action} ${data.amount.toFixed(2)}` : action;
      return 200;
    },
    state: () => last,
  };
}
