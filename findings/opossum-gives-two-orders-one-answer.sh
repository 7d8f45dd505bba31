#!/bin/sh
# opossum gives two orders one answer
#
# Guess (28 November A, 12): a circuit breaker with `coalesce: true` around fetch shares an answer between
#             calls for the same order. Calls for two orders get two answers.
# Behaviour:  the key of a call is the JSON of its arguments. The JSON of a Request is {}, so all of them have
#             one key: the second order gets the answer of the first one, at the same time and for 10 s more
#             (`coalesceTTL`, by default the timeout). A Headers object is {} as well: the second caller gets
#             the answer to the first one's Authorization. Two URLs as strings get two answers. The API's
#             documentation names the default key, and warns of its speed only.
# Versions:   opossum 10.0.0, node 24.21.0 (npm).
# Matters:    a backend books the state of another order, or shows it to another customer.

. "$(dirname "$0")/lib/start.sh"
npm_packages opossum@10.0.0 node@24.21.0
cat >shop.mjs <<'END'
import { createServer } from 'node:http';
import CircuitBreaker from 'opossum';

const service = createServer((request, response) => {
  console.log(`  the service is asked for ${request.url}, by ${request.headers.authorization ?? 'anybody'}`);
  setTimeout(() => response.end(`${request.url} for ${request.headers.authorization ?? 'anybody'}`), 300);
}).listen(0, '127.0.0.1', async () => {
  const at = (path) => `http://127.0.0.1:${service.address().port}${path}`;
  const as = (caller) => ({ headers: new Headers({ Authorization: caller }) });
  const both = async (name, ...calls) => {
    console.log(name);
    const read = async (...target) => (await fetch(...target)).text();
    const breaker = new CircuitBreaker(read, { coalesce: true });
    console.log(`  answers: ${(await Promise.all(calls.map((call) => breaker.fire(...call)))).join(', ')}`);
    return breaker;
  };
  await both('strings', [at('/A')], [at('/B')]);
  const breaker = await both('Requests', [new Request(at('/A'))], [new Request(at('/B'))]);
  console.log(`  afterwards: ${await breaker.fire(new Request(at('/D')))}`);
  await both('Headers', [at('/C'), as('ann')], [at('/C'), as('bob')]);
  process.exit();
});
END
node_modules/.bin/node shop.mjs >seen
compare <<'END'
strings
  the service is asked for /A, by anybody
  the service is asked for /B, by anybody
  answers: /A for anybody, /B for anybody
Requests
  the service is asked for /A, by anybody
  answers: /A for anybody, /A for anybody
  afterwards: /A for anybody
Headers
  the service is asked for /C, by ann
  answers: /C for ann, /C for ann
END
