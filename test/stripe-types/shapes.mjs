// The shapes of the newest version's objects. The simulator's tests compare its objects with them.
import { shapeOf } from './types.mjs';

const objects = {
  charge: ['Charges.d.ts', 'Charge'],
  customer: ['Customers.d.ts', 'Customer'],
  customer_session: ['CustomerSessions.d.ts', 'CustomerSession'],
  dispute: ['Disputes.d.ts', 'Dispute'],
  event: ['Events.d.ts', 'EventBase'],
  payment_intent: ['PaymentIntents.d.ts', 'PaymentIntent'],
  payment_method: ['PaymentMethods.d.ts', 'PaymentMethod'],
  refund: ['Refunds.d.ts', 'Refund'],
  review: ['Reviews.d.ts', 'Review'],
  'v2.core.event': ['V2/Core/Events.d.ts', 'EventBase'],
};

/** Longer enumerations are left out. The simulator uses only few of their values. */
const longest = 30;

/** The types of payment method that the simulator has. The members of others are left out. */
const methods = new Set([
  'bancontact', 'boleto', 'card', 'customer_balance', 'eps', 'ideal', 'konbini', 'link', 'multibanco', 'oxxo',
  'sepa_debit', 'sofort', 'us_bank_account',
]);
const byMethod = (members) => 'sepa_debit' in members && 'klarna' in members;

/** Members that the simulator returns unchanged. */
const repeated = new Set(['payment_method_options']);

function trim(type) {
  const out = { ...type };
  if (out.values?.length > longest) delete out.values;
  if (out.items) out.items = trim(out.items);
  if (out.members) out.members = trimMembers(out.members);
  return out;
}

function trimMembers(members) {
  const keeps = (name, type) => !byMethod(members) || methods.has(name) || type.required || !type.members;
  const out = {};
  for (const [name, type] of Object.entries(members)) {
    if (keeps(name, type)) out[name] = trim(repeated.has(name) ? { ...type, members: undefined } : type);
  }
  return out;
}

/** One line for each object, so that the difference to a newer package is readable. */
export function shapes() {
  const line = ([name, [file, type]]) => `  "${name}": ${JSON.stringify(trimMembers(shapeOf(file, type)))}`;
  const lines = Object.entries(objects).map(line);
  return `{\n${lines.join(',\n')}\n}\n`;
}
