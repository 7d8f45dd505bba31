#!/bin/sh
# a client by @hey-api/openapi-ts with its transformers sends an int64 amount as a string
#
# Guess (28 November, 20): the amount of an answer is a number, as it is without the plugin.
# Behaviour:  with the plugin @hey-api/transformers the types of all int64 fields become bigint, also
#             those of requests. The client then writes a bigint into the body as a string. The SDK
#             does not call the transformer, so the amount of an answer is a number, and its type is
#             wrong.
# Versions:   @hey-api/openapi-ts 0.99.0, typescript 5.9.3 (npm).
# Matters:    a server that checks its input refuses every create. One that does not gets text as an
#             amount.

. "$(dirname "$0")/lib/start.sh"
npm_packages @hey-api/openapi-ts@0.99.0 typescript@5.9.3
cat >api.yaml <<'END'
openapi: 3.1.0
info: {title: payments, version: "1"}
servers: [{url: http://127.0.0.1:1}]
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
components:
  schemas:
    Payment:
      type: object
      required: [amount]
      properties:
        amount: {type: integer, format: int64, minimum: 1}
END
cat >shop.mjs <<'END'
import { createServer } from 'node:http';

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  console.log(`  the server gets ${body}`);
  response.writeHead(201, { 'content-type': 'application/json' }).end('{"amount":1000}');
}).listen(0, '127.0.0.1', async () => {
  const { createPayment } = await import(`./${process.argv[2]}/js/sdk.gen.js`);
  const { client } = await import(`./${process.argv[2]}/js/client.gen.js`);
  client.setConfig({ baseUrl: `http://127.0.0.1:${server.address().port}` });
  const amount = process.argv[3] === 'bigint' ? 1000n : 1000;
  const { data } = await createPayment({ body: { amount } });
  console.log(`  the amount of the answer is a ${typeof data.amount}`);
  server.close();
  process.exit();
});
END

# client NAME PLUGINS generates a client into the folder NAME, and compiles it.
client() {
	name=$1
	shift
	npx openapi-ts -i api.yaml -o "$name" "$@" >generate.log 2>&1 || { cat generate.log; exit 2; }
	npx tsc --outDir "$name/js" --module nodenext --moduleResolution nodenext --target es2022 --skipLibCheck \
		"$name"/*.ts "$name"/*/*.ts >tsc.log 2>&1 || { cat tsc.log; exit 2; }
}

client plain
client transformed -p @hey-api/client-fetch -p @hey-api/typescript -p @hey-api/sdk -p @hey-api/transformers
{
	echo "without the plugin,$(grep -m1 amount plain/types.gen.ts | tr -s ' ')"
	node shop.mjs plain number
	echo "with the plugin,$(grep -m1 amount transformed/types.gen.ts | tr -s ' ')"
	node shop.mjs transformed bigint
} >seen
compare <<'END'
without the plugin, amount: number;
  the server gets {"amount":1000}
  the amount of the answer is a number
with the plugin, amount: bigint;
  the server gets {"amount":"1000"}
  the amount of the answer is a number
END
