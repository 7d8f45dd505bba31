// Reads Kasse's own source: its texts for failed attempts.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const service = fileURLToPath(new URL('../../service', import.meta.url));

function* goFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* goFiles(path);
    else if (entry.name.endsWith('.go') && !entry.name.endsWith('_test.go')) yield path;
  }
}

/** The map failureTexts of a Go file under service: texts by code. Keys may be constants. */
export function failureTexts() {
  const sources = [...goFiles(service)].map((path) => readFileSync(path, 'utf8'));
  const map = /failureTexts = map\[string\]string\{\n([\s\S]*?)\n\}/;
  const body = sources.map((source) => map.exec(source)?.[1]).find(Boolean);
  if (!body) throw new Error('no Go file under service has the map failureTexts');
  const constant = (name) => {
    const declaration = new RegExp(`\\b${name}\\s*=\\s*"([a-z_]+)"`);
    const found = sources.map((source) => declaration.exec(source)?.[1]).find(Boolean);
    if (!found) throw new Error(`failureTexts has the key ${name}, which is not a constant under service`);
    return found;
  };
  const entries = [...body.matchAll(/^\s*(?:"([a-z_]+)"|(\w+)):\s*"((?:[^"\\]|\\.)*)",/gm)];
  const entry = ([, quoted, name, text]) => [quoted ?? constant(name), JSON.parse(`"${text}"`)];
  return Object.fromEntries(entries.map(entry));
}
