// Markdown tables of Stripe's values beside what Kasse does with them.
import { shapeOf, valuesOf } from './types.mjs';

/** What kasse.mjs has to be changed for. */
export const problems = [];

export const quoted = (value) => `\`${value}\``;

/** Breaks a text into lines of 100 characters. */
export function wrap(text) {
  const fold = (line) => line.replaceAll(/(.{1,100})(?: |$)/g, '$1\n').trimEnd();
  return text.split('\n').map(fold).join('\n');
}

/** Reports the values of Stripe's that Kasse does not know, and those that Stripe no longer has. */
export function compare(name, values, known) {
  for (const value of values) if (!(value in known)) problems.push(`new at Stripe, not in kasse.mjs: ${name}: ${value}`);
  for (const value of Object.keys(known)) if (!values.includes(value)) problems.push(`gone at Stripe: ${name}: ${value}`);
}

export function rows(name, values, known, note = () => []) {
  compare(name, values, known);
  return values.map((value) => [quoted(value), known[value] ?? '**new: not decided**', ...note(value)]);
}

export function section(title, text, head, body) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [`## ${title}\n`, `${wrap(text)}\n`, line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

/** A table of an enumeration; unknown says what Kasse does with a value that it does not know. */
export function enumeration(title, file, dotted, known, unknown = '') {
  const { values, open } = valuesOf(file, dotted);
  const text = [`${quoted(dotted)}.`, open ? 'Stripe says that values can be added.' : '', unknown];
  return section(title, text.filter(Boolean).join(' '), ['value', 'Kasse'], rows(dotted, values, known));
}

/** A table of an object's members. */
export function memberTable(title, file, dotted, known, text, without = []) {
  const names = Object.keys(shapeOf(file, dotted, 0)).filter((name) => !without.includes(name)).toSorted();
  return section(title, `${quoted(dotted)}. ${text}`, ['member', 'Kasse'], rows(dotted, names, known));
}
