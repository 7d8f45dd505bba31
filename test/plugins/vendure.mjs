// A whole Vendure server on SQLite in memory, with one order for each history.
import { createRequire } from 'node:module';
import { sign } from './sign.mjs';

const require = createRequire(import.meta.url);
const core = require('@vendure/core');
const { StripePlugin } = require('@vendure/payments-plugin/package/stripe');
const { stripePaymentMethodHandler } = require('@vendure/payments-plugin/package/stripe/stripe.handler');

async function bootstrap() {
  return core.bootstrap({
    apiOptions: { port: 0, hostname: '127.0.0.1', adminApiPath: 'admin-api', shopApiPath: 'shop-api' },
    authOptions: { tokenMethod: 'bearer', superadminCredentials: { identifier: 'plugins', password: 'plugins' } },
    dbConnectionOptions: { type: 'sqljs', synchronize: true },
    logger: new core.DefaultLogger({ level: -1 }),
    paymentOptions: { paymentMethodHandlers: [stripePaymentMethodHandler] },
    orderOptions: {
      process: [core.configureDefaultOrderProcess({
        arrangingPaymentRequiresCustomer: false, arrangingPaymentRequiresShipping: false,
        arrangingPaymentRequiresStock: false, checkAllVariantsExistBeforePlacingOrder: false,
      })],
    },
    plugins: [StripePlugin.init({ storeCustomersInStripe: false })],
  });
}

/** Creates the tax zone and the payment method that an order needs. */
async function fill(get, context) {
  const zone = await get(core.ZoneService).create(context, { name: 'EU', memberIds: [] });
  const category = await get(core.TaxCategoryService).create(context, { name: 'standard', isDefault: true });
  const rate = { name: 'none', enabled: true, value: 0, categoryId: category.id, zoneId: zone.id };
  await get(core.TaxRateService).create(context, rate);
  await get(core.ChannelService).update(context, {
    id: context.channelId, defaultTaxZoneId: zone.id, defaultShippingZoneId: zone.id, pricesIncludeTax: true,
    defaultCurrencyCode: 'EUR', availableCurrencyCodes: ['EUR'],
  });
  const secrets = [{ name: 'apiKey', value: 'sk_test_plugins' }, { name: 'webhookSecret', value: 'whsec_plugins' }];
  await get(core.PaymentMethodService).create(context, {
    code: 'stripe', enabled: true, handler: { code: 'stripe', arguments: secrets },
    translations: [{ languageCode: 'en', name: 'Stripe' }],
  });
  return category;
}

export async function startVendure() {
  const app = await bootstrap();
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}/payments/stripe`;
  const get = (service) => app.get(service, { strict: false });
  const { token } = await get(core.ChannelService).getDefaultChannel();
  const inChannel = () => get(core.RequestContextService).create({ apiType: 'admin', channelOrToken: token });
  const category = await fill(get, await inChannel());
  const context = await inChannel();
  const orders = get(core.OrderService), made = {};
  return {
    name: 'Vendure 3.5.6, order',
    async open(name, { amount }) {
      const translations = [{ languageCode: 'en', name, slug: name, description: '' }];
      const product = await get(core.ProductService).create(context, { translations });
      const [variant] = await get(core.ProductVariantService).create(context, [{
        productId: product.id, sku: name, price: amount, prices: [{ currencyCode: 'EUR', price: amount }],
        stockOnHand: 1, taxCategoryId: category.id, translations,
      }]);
      made[name] = await orders.create(context);
      await orders.addItemToOrder(context, made[name].id, variant.id, 1);
      const { totalWithTax: total, state } = await orders.transitionToState(context, made[name].id, 'ArrangingPayment');
      if (total !== amount || state !== 'ArrangingPayment') throw new Error(`order of ${total} in ${state}`);
    },
    async deliver(event, name) {
      const { object } = event.data;
      if (object.metadata?.session_id) { // an object of the payment needs Vendure's own metadata
        object.metadata = { channelToken: token, orderCode: made[name].code, orderId: String(made[name].id) };
      }
      return (await fetch(url, { method: 'POST', ...sign(event) })).status;
    },
    async state(_, name) {
      const { state, payments } = await orders.findOne(context, made[name].id, ['payments']);
      return [state, ...payments.map((payment) => `${payment.state} ${(payment.amount / 100).toFixed(2)}`)].join(', ');
    },
  };
}
