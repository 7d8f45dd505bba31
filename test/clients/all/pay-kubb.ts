// kubb with its fetch client, which parses requests and responses with Zod.
import { createPayment } from './generated/kubb/clients/createPayment.js';
import { getPayment } from './generated/kubb/clients/getPayment.js';
import { mintOrderToken } from './generated/kubb/clients/mintOrderToken.js';
import { addresses, pay } from './flow.js';

// @kubb/plugin-client 4.39.3 sends JSON as text/plain, so the caller sets the type. It also treats a 4xx response like
// a 2xx: the schema of the response then refuses the problem document.
const config = (credential: string) => ({
  baseURL: addresses().kasse,
  headers: { Authorization: `Bearer ${credential}`, 'Content-Type': 'application/json' },
});

await pay('kubb', {
  create: (credential, body) => createPayment(body, undefined, config(credential)),
  read: (credential, payment) => getPayment(payment, undefined, undefined, config(credential)),
  mint: (credential, body) => mintOrderToken(body, undefined, config(credential)),
});
