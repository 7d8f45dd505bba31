// The page docs/stripe-types.md.
import * as kasse from './kasse.mjs';
import { failureTexts } from './source.mjs';
import { compare, enumeration, memberTable, quoted, rows, section, wrap } from './table.mjs';
import { apiVersion, commentOf, newestVersion, packageVersion, thinTypes, valuesOf } from './types.mjs';

const intents = 'PaymentIntents.d.ts';
const sessions = 'CustomerSessions.d.ts';
const components = 'CustomerSession.Components';

const head = `# Stripe's types and Kasse

\`make stripe-types\` writes this page from npm's stripe ${packageVersion}: API ${newestVersion},
description ${apiVersion}. A new value, which Kasse does not handle yet, is marked here.
\`make stripe-types-check\` fails then.`;

/** The table of Refund.status, which is not an enumeration: its comment lists the values. */
function refundTable() {
  const comment = commentOf('Refunds.d.ts', 'Refund', 'status');
  const values = [...comment.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]).toSorted();
  const text = '`Refund.status`, typed `string | null`. Null and an unknown value count as a pending refund.';
  return section('Refund statuses', text, ['value', 'Kasse'], rows('Refund.status', values, kasse.refundStatuses));
}

function eventTable() {
  const all = valuesOf('Events.d.ts', 'Event.Type').values;
  const thin = thinTypes('V2/Core/Events.d.ts');
  const ours = all.filter((type) => kasse.eventFamilies.includes(type.split('.')[0]));
  const thinOf = (type) => [thin.includes('v1.' + type) ? quoted('v1.' + type) : 'none'];
  const families = kasse.eventFamilies.map(quoted).join(', ');
  const text =
    `\`Event.Type\` has ${all.length} values. Those of ${families} are listed here. ` +
    `Kasse ignores the ${all.length - ours.length} others. A thin event about one of Kasse's payments causes a read, ` +
    'regardless of its type.';
  return section('Event types', text, ['type', 'Kasse', 'thin event'], rows('Event.Type', ours, kasse.events, thinOf));
}

function codeTable() {
  const { values } = valuesOf(intents, 'PaymentIntent.LastPaymentError.Code');
  const texts = failureTexts();
  const special = values.filter((code) => code in texts || code in kasse.refusals);
  compare('Code', special, { ...kasse.refusals, ...Object.fromEntries(special.map((code) => [code, ''])) });
  const other = '502 `stripe_error`';
  const body = special.map((code) => [quoted(code), texts[code] ?? 'the general text', kasse.refusals[code] ?? other]);
  const rest = values.filter((code) => !special.includes(code));
  const text =
    '`PaymentIntent.LastPaymentError.Code`, which are also the codes of refused calls. `failure.code` is Stripe\'s ' +
    'unchanged code, even if it is unknown. `failure.message` is Kasse\'s own text.';
  const table = section('Codes', text, ['code', '`failure.message`', 'response to a refused call'], body);
  const list = `The other ${rest.length} codes have the general text. A refused call with one of them gives ${other}:`;
  return `${table}\n\n${list}\n${wrap(rest.map(quoted).join(', '))}.`;
}

const sessionTables = () => [
  memberTable('Customer session: components', sessions, components, kasse.components, 'Members of `customer_session`.'),
  memberTable('Customer session: web', sessions, `${components}.PaymentElement.Features`, kasse.webFeatures,
    'Members of `customer_session`.'),
  memberTable('Customer session: mobile', sessions, `${components}.MobilePaymentElement.Features`, kasse.mobileFeatures,
    'Members of `customer_session`.'),
  enumeration('Saved methods', 'PaymentMethods.d.ts', 'PaymentMethod.AllowRedisplay', kasse.allowRedisplay),
];

const statusTables = () => [
  enumeration('Payment statuses', intents, 'PaymentIntent.Status', kasse.paymentStatuses,
    'An unknown status changes nothing and causes a read.'),
  refundTable(),
  enumeration('Dispute statuses', 'Disputes.d.ts', 'Dispute.Status', kasse.disputeStatuses,
    'An unknown status counts as open.'),
  memberTable('Next actions', intents, 'PaymentIntent.NextAction', kasse.actions, 'An unknown type is `authenticate`.',
    ['type']),
  enumeration('Reviews: why opened', 'Reviews.d.ts', 'Review.OpenedReason', kasse.openedReasons,
    'An open review holds the payment.'),
  enumeration('Reviews: why closed', 'Reviews.d.ts', 'Review.ClosedReason', kasse.closedReasons,
    'With an unknown reason the payment stays held.'),
];

const creationTables = () => [
  memberTable('Opening a payment', intents, 'PaymentIntentCreateParams', kasse.creation,
    'Members of the body of `POST /v1/payments`.'),
  enumeration('Capture methods', intents, 'PaymentIntent.CaptureMethod', kasse.captureMethods),
  enumeration('Future usage', intents, 'PaymentIntent.SetupFutureUsage', kasse.futureUsages),
  enumeration('Reasons of a cancellation', intents, 'PaymentIntent.CancellationReason', kasse.cancellationReasons),
];

export function page() {
  const parts = [head, ...statusTables(), eventTable(), codeTable(), ...sessionTables(), ...creationTables()];
  return `${parts.join('\n\n')}\n`;
}
