// @hey-api/openapi-ts with its fetch client.
import { createPayment, getPayment, mintOrderToken } from './generated/hey-api/index.js';
import { client } from './generated/hey-api/client.gen.js';
import { addresses, pay } from './flow.js';

client.setConfig({ baseUrl: addresses().kasse, throwOnError: true });

await pay('hey-api', {
  create: async (credential, body) => (await createPayment({ auth: credential, body, throwOnError: true })).data,
  async read(credential, payment) {
    const path = { payment_intent: payment };
    return (await getPayment({ auth: credential, path, throwOnError: true })).data;
  },
  mint: async (credential, body) => (await mintOrderToken({ auth: credential, body, throwOnError: true })).data,
});
