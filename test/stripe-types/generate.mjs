// Writes docs/stripe-types.md and the shapes for the simulator's tests. With --check it only compares them, and lists
// the values that are new at Stripe.
import { readFileSync, writeFileSync } from 'node:fs';
import { page } from './page.mjs';
import { shapes } from './shapes.mjs';
import { problems } from './table.mjs';
import { newestVersion } from './types.mjs';

const project = new URL('../../', import.meta.url);
const outputs = [
  ['docs/stripe-types.md', page()],
  [`service/stripe/stripesim/testdata/shapes-${newestVersion}.json`, shapes()],
];
const checking = process.argv.includes('--check');
for (const [path, text] of outputs) {
  const file = new URL(path, project);
  if (!checking) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) problems.push(`${path} is out of date: run make stripe-types`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
