#!/bin/sh
# openapi-fetch returns no error when a 503 has no body
#
# Guess (28 November, 36): `error` is set for each status other than 2xx, so that `if (error)` finds it.
# Behaviour:  `error` is the body. With `Content-Length: 0` it is undefined, with an empty body of
#             unknown length it is ''. Both are false in a condition, and `data` is undefined as after a
#             204. Only `response.ok` shows the difference.
# Versions:   openapi-fetch 0.17.0 (npm).
# Matters:    load balancers answer 502 and 503 without a body. The shop continues as if a cancellation
#             had succeeded, and the customer pays for an order that no longer exists.

. "$(dirname "$0")/lib/start.sh"
npm_packages openapi-fetch@0.17.0
cat >shop.mjs <<'END'
import { createServer } from 'node:http';
import createClient from 'openapi-fetch';

const answers = {
  'a problem': (response) => response.writeHead(503, { 'content-type': 'application/json' }).end('{"status":503}'),
  'Content-Length: 0': (response) => response.writeHead(503, { 'content-length': 0 }).end(),
  'no length, no body': (response) => response.writeHead(503).end(),
};
let answer;
const server = createServer((request, response) => answer(response)).listen(0, '127.0.0.1', async () => {
  const client = createClient({ baseUrl: `http://127.0.0.1:${server.address().port}` });
  for (const name in answers) {
    answer = answers[name];
    const { data, error, response } = await client.POST('/v1/payments/{payment_intent}/cancel', {
      params: { path: { payment_intent: 'pi_1' } },
    });
    console.log(`${response.status} with ${name}: error is ${JSON.stringify(error)}, data is ${JSON.stringify(data)}`);
    console.log(`  the shop sees ${error ? 'a failure' : 'a success'}`);
  }
  process.exit();
});
END
node shop.mjs >seen
compare <<'END'
503 with a problem: error is {"status":503}, data is undefined
  the shop sees a failure
503 with Content-Length: 0: error is undefined, data is undefined
  the shop sees a success
503 with no length, no body: error is "", data is undefined
  the shop sees a success
END
