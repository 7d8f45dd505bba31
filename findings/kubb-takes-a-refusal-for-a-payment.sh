#!/bin/sh
# a fetch client by Kubb resolves with a refusal as if it were the payment
#
# Guess (28 November, 37): the call rejects at 409.
# Behaviour:  the client does not check the status. A 409 resolves with the problem, typed as a payment.
#             A 304 resolves with {}. The result does not contain the status. The client also sends a JSON
#             body as text/plain.
# Versions:   @kubb/cli, core, plugin-client, plugin-oas, plugin-ts 4.39.3, typescript 5.9.3 (npm).
# Matters:    the code compiles, and the shop continues with a payment whose id and state are undefined. A
#             server that checks the media type answers 415, which resolves too.

. "$(dirname "$0")/lib/start.sh"
kubb=4.39.3
npm_packages @kubb/cli@$kubb @kubb/core@$kubb @kubb/plugin-client@$kubb @kubb/plugin-oas@$kubb @kubb/plugin-ts@$kubb \
	typescript@5.9.3
echo '{"private":true,"type":"module"}' >package.json
cat >api.yaml <<'END'
openapi: 3.1.0
info: {title: payments, version: "1"}
paths:
  /v1/payments:
    post:
      operationId: createPayment
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Payment'}}}
      responses:
        '201':
          description: created
          content: {application/json: {schema: {$ref: '#/components/schemas/Payment'}}}
        '409':
          description: the order is paid already
          content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}
  /v1/payments/{payment_intent}:
    get:
      operationId: getPayment
      parameters:
        - {name: payment_intent, in: path, required: true, schema: {type: string}}
      responses:
        '200':
          description: the payment
          content: {application/json: {schema: {$ref: '#/components/schemas/Payment'}}}
        '304': {description: not modified}
components:
  schemas:
    Payment:
      type: object
      required: [amount]
      properties: {amount: {type: integer}, state: {type: string}}
    Problem:
      type: object
      properties: {title: {type: string}, status: {type: integer}}
END
cat >kubb.config.js <<'END'
import { defineConfig } from '@kubb/core';
import { pluginClient } from '@kubb/plugin-client';
import { pluginOas } from '@kubb/plugin-oas';
import { pluginTs } from '@kubb/plugin-ts';

export default defineConfig({
  input: { path: './api.yaml' },
  output: { path: './client' },
  plugins: [pluginOas(), pluginTs(), pluginClient({ client: 'fetch', baseURL: 'http://127.0.0.1:PORT' })],
});
END
cat >shop.mjs <<'END'
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

let answer;
const server = createServer((request, response) => {
  if (request.method === 'POST') console.log(`  the server gets ${request.headers['content-type']}`);
  answer(response);
}).listen(0, '127.0.0.1', async () => {
  const config = readFileSync('kubb.config.js', 'utf8');
  writeFileSync('kubb.config.js', config.replace('PORT', server.address().port));
  execFileSync('npx', ['kubb', 'generate']);
  execFileSync('npx', ['tsc', '-p', '.']);
  const { createPayment, getPayment } = await import('./js/index.js');
  const call = async (name, reply, send) => {
    answer = reply;
    const outcome = await send().then(
      (payment) => `resolves with ${JSON.stringify(payment)}`,
      (error) => `rejects with ${error.message}`,
    );
    console.log(`${name}: ${outcome}`);
  };
  const json = (status, type, body) => (response) =>
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
  const create = () => createPayment({ amount: 1000 });
  await call('201', json(201, 'application/json', { amount: 1000, state: 'open' }), create);
  await call('409', json(409, 'application/problem+json', { title: 'order is paid', status: 409 }), create);
  await call('304', (response) => response.writeHead(304).end(), () => getPayment('pi_1'));
  process.exit();
});
END
cat >tsconfig.json <<'END'
{
  "compilerOptions": {
    "outDir": "js", "rootDir": "client", "rewriteRelativeImportExtensions": true, "strict": true,
    "module": "nodenext", "moduleResolution": "nodenext", "target": "es2022", "skipLibCheck": true
  },
  "files": ["client/index.ts"]
}
END
node shop.mjs >seen
compare <<'END'
  the server gets text/plain;charset=UTF-8
201: resolves with {"amount":1000,"state":"open"}
  the server gets text/plain;charset=UTF-8
409: resolves with {"title":"order is paid","status":409}
304: resolves with {}
END
