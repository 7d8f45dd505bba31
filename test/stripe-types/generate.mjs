import { writeFileSync } from 'node:fs';
import { newestVersion } from './types.mjs';
import { shapes } from './shapes.mjs';
writeFileSync(new URL(`../../service/stripe/stripesim/testdata/shapes-${newestVersion}.json`, import.meta.url), shapes());
