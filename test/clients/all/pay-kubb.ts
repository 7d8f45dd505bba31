// kubb with its fetch client, which parses what is sent and what comes back with Zod.
import { createPayment } from './generated/kubb/clients/createPayment.js';
import { getPayment } from './generated/kubb/clients/getPayment.js';
import { mintOrderToken } from './generated/kubb/clients/mintOrderToken.js';
import { addresses, pay } from './flow.js';

// @kubb/plugin-client 4.39.3 sends JSON as text/plain, and takes an answer of 4xx for a 2xx: the caller names the type, and
// the schema of the answer refuses a problem.
const config = (credential: string) => ({
  baseURL: addresses().kasse,
  headers: { Authorization: `Bearer ${credential}`, 'Content-Type': 'application/json' },
});

await pay('kubb', {
  create: (credential, body) => createPayment(body, undefined, config(credential)),
  read: (credential, payment) => getPayment(payment, undefined, undefined, config(credential)),
  mint: (credential, body) => mintOrderToken(body, undefined, config(credential)),
});
