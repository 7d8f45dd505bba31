import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { freePort, start, startDev, until } from '../harness.mjs';

const here = new URL('.', import.meta.url).pathname;
const bin = here + 'node_modules/.bin/';
const wanted = 'pending paid not_found invalid_signature';
let dev;
before(async () => (dev = await startDev()));
after(() => dev?.stop());

/** Runs a program in the package's folder, and returns its output. */
async function run(program, ...args) {
  const { stdout } = await promisify(execFile)(program, [...args, 'test/runtimes/main.mjs', dev.kasse, dev.stripe], { cwd: here + '../..' });
  return stdout.trim();
}

test('Node', async () => assert.equal(await run('node'), wanted));
test('Bun', async () => assert.equal(await run(bin + 'bun', 'run'), wanted));
test('Deno', async () => {
  assert.equal(await run(bin + 'deno', 'run', '--no-lock', '--node-modules-dir=manual', '--allow-net', '--allow-env', '--allow-read'), wanted);
});

test('workerd', async (t) => {
  const outfile = here + '../../.built/worker.js';
  await build({ entryPoints: [here + 'worker.mjs'], bundle: true, format: 'esm', target: 'es2022', outfile, logLevel: 'error' });
  const port = await freePort();
  const server = start(bin + 'workerd', ['serve', here + 'worker.capnp', `--socket-addr=http=127.0.0.1:${port}`]);
  t.after(() => server.stop());
  const ask = () => fetch(`http://127.0.0.1:${port}`, { headers: { kasse: dev.kasse, stripe: dev.stripe } }).catch(() => undefined);
  const answer = await until('workerd', async () => (await ask()) ?? (server.gone() && assert.fail(server.log)));
  assert.equal(await answer.text(), wanted);
});
