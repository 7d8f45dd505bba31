// orval with its fetch client, and its Zod schemas for requests and responses.
import { createPayment, getPayment, mintOrderToken } from './generated/orval/client.js';
import {
  createPaymentBody, createPaymentResponse, getPaymentResponse, mintOrderTokenBody,
} from './generated/orval/zod.js';
import { addresses, pay } from './flow.js';

const real = globalThis.fetch; // orval's functions send their requests to the page's own origin
globalThis.fetch = (input, init) => real(typeof input === 'string' ? new URL(input, addresses().kasse) : input, init);

function dataOf<T extends { status: number; data: unknown }>(answer: T): T['data'] {
  if (answer.status >= 300) throw new Error(`answered with ${answer.status}: ${JSON.stringify(answer.data)}`);
  return answer.data;
}

const bearer = (credential: string) => ({ headers: { Authorization: `Bearer ${credential}` } });

await pay('orval', {
  async create(credential, body) {
    return createPaymentResponse.parse(dataOf(await createPayment(createPaymentBody.parse(body), bearer(credential))));
  },
  async read(credential, payment) {
    return getPaymentResponse.parse(dataOf(await getPayment(payment, undefined, bearer(credential))));
  },
  async mint(credential, body) {
    return dataOf(await mintOrderToken(mintOrderTokenBody.parse(body), bearer(credential))) as { token: string };
  },
});
