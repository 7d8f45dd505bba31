// Markdown tables of Stripe's values and Kasse's handling of them.
import { shapeOf, valuesOf } from './types.mjs';

/** Differences between Stripe's types and kasse.mjs. */
export const problems = [];

export const quoted = (value) => `\`${value}\``;

/** Breaks a text into lines of 100 characters. */
export function wrap(text) {
  const fold = (line) => line.replaceAll(/(.{1,100})(?: |$)/g, '$1\n').trimEnd();
  return text.split('\n').map(fold).join('\n');
}

/** Reports Stripe's values that are missing in kasse.mjs, and values that Stripe no longer has. */
export function compare(name, values, known) {
  const file = 'test/stripe-types/kasse.mjs';
  for (const value of values) {
    if (!(value in known)) problems.push(`new at Stripe: add ${value} of ${name} to ${file}`);
  }
  for (const value of Object.keys(known)) {
    if (!values.includes(value)) problems.push(`gone at Stripe: remove ${value} of ${name} from ${file}`);
  }
}

export function rows(name, values, known, note = () => []) {
  compare(name, values, known);
  return values.map((value) => [quoted(value), known[value] ?? '**new: not handled**', ...note(value)]);
}

export function section(title, text, head, body) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [`## ${title}\n`, `${wrap(text)}\n`, line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

/** A table of an enumeration. The text unknown describes Kasse's handling of an unknown value. */
export function enumeration(title, file, dotted, known, unknown = '') {
  const { values, open } = valuesOf(file, dotted);
  const text = [`${quoted(dotted)}.`, open ? 'Stripe may add values.' : '', unknown];
  return section(title, text.filter(Boolean).join(' '), ['value', 'Kasse'], rows(dotted, values, known));
}

/** A table of an object's members. */
export function memberTable(title, file, dotted, known, text, without = []) {
  const names = Object.keys(shapeOf(file, dotted, 0)).filter((name) => !without.includes(name)).toSorted();
  return section(title, `${quoted(dotted)}. ${text}`, ['member', 'Kasse'], rows(dotted, names, known));
}
