// The installed package: its size, its dependencies, its types, and the README's code.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import ts from 'typescript';

const here = new URL('.', import.meta.url).pathname;

/** Bundles the text of a module, as a page's build does. Returns the code and the packages that it needs. */
async function bundle(contents) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: here },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
    outdir: here,
    packages: 'external',
    alias: { '@kasse/client': here + '../dist' },
    logLevel: 'silent',
  });
  const [output] = Object.values(metafile.outputs);
  return { code: outputFiles[0].text, packages: output.imports.map(({ path }) => path) };
}

test('the root entry is smaller than 6 KB and needs no package', async () => {
  const { code, packages } = await bundle(`export * from '@kasse/client/index.js'`);
  const size = gzipSync(code, { level: 9 }).length;
  assert.ok(size > 500 && size < 6 * 1024, `${size} bytes`);
  assert.deepEqual(packages, []);
});

test('what is not used is left out', async () => {
  const { code } = await bundle(`export { isKasseError } from '@kasse/client/index.js'`);
  assert.doesNotMatch(code, /\/v1\//);
  assert.ok(code.length < 1500, `${code.length} bytes`);
});

test('only verification needs standardwebhooks', async () => {
  assert.deepEqual((await bundle(`export { createKasseServer } from '@kasse/client/server/index.js'`)).packages, []);
  assert.deepEqual((await bundle(`export { verifyEvent } from '@kasse/client/server/index.js'`)).packages, [
    'standardwebhooks',
  ]);
});

/** Returns tsc's errors for files in a strict project. `texts` holds the files that are not on the disk. */
function typeErrors(files, texts = {}, skipLibCheck = false) {
  const options = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck,
    noEmit: true,
    types: [],
    jsx: ts.JsxEmit.ReactJSX,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => name in texts || fileExists(name);
  host.readFile = (name) => texts[name] ?? readFile(name);
  host.getSourceFile = (name, ...rest) =>
    name in texts ? ts.createSourceFile(name, texts[name], ...rest) : getSourceFile(name, ...rest);
  const found = ts.getPreEmitDiagnostics(ts.createProgram(files, options, host));
  return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

test('the types hold in a strict project, and refuse mistakes', () => {
  assert.deepEqual(typeErrors([here + 'consumer.ts', here + 'consumer-react.tsx']), []);
});

test('the README type-checks', () => {
  const shop = `
    declare const kasse: import('@kasse/client').Kasse, process: { env: Record<string, string> };
    declare const payment: string, rawBody: string, request: Request, customer: string, lastMonth: Date;
    declare function loadCursor(): Promise<string | undefined>;
    declare function inTransaction(events: import('@kasse/client/server').KasseEvent[], cursor: string): Promise<void>;
    declare function fetchToken(order: string): Promise<string>;
    declare function show(text: string): void;
    declare function offerAnotherTry(seconds: number | undefined): void;`;
  const readme = readFileSync(here + '../README.md', 'utf8');
  const blocks = [...readme.matchAll(/```(tsx?)\n([\s\S]*?)```/g)].map(([, kind, text], at) => [
    `${here}readme-${at}.${kind}`,
    text,
  ]);
  assert.equal(blocks.length, 4);
  const texts = { [here + 'shop.d.ts']: shop, ...Object.fromEntries(blocks) };
  assert.deepEqual(typeErrors(Object.keys(texts), texts, true), []);
});

test('the archive holds what is built, and nothing else', () => {
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: here + '..' }),
  );
  const outside = files.map(({ path }) => path).filter((path) => !path.startsWith('dist/'));
  assert.deepEqual(outside.sort(), ['README.md', 'package.json']);
  const { exports } = JSON.parse(readFileSync(here + '../package.json', 'utf8'));
  for (const path of Object.values(exports))
    assert.ok(
      files.some((file) => './' + file.path === path),
      `${path} is missing`,
    );
});
