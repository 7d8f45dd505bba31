#!/bin/sh
# ky waits as long as Retry-After asks, longer than its timeout
#
# Guess (25): the timeout (10 s by default) ends the wait for a long Retry-After, with TimeoutError.
# Behaviour:  since ky 2 the timeout is for one attempt. The wait between attempts has no limit by
#             default (maxRetryAfter is infinite, totalTimeout is off). ky waits for Retry-After
#             before each of two retries.
# Versions:   ky 2.1.0 with node 22.22.0 (npm).
# Matters:    a page that polls, and gets 429 with Retry-After: 60, shows a spinner for two minutes
#             before the error. Set totalTimeout, or retry.maxRetryAfter.

. "$(dirname "$0")/lib/start.sh"
npm_packages ky@2.1.0 node@22.22.0
cat >ask.mjs <<'END'
import http from 'node:http';
import ky from 'ky';

let requests = 0;
const server = http.createServer((_, response) => {
  requests++;
  response.writeHead(429, { 'Retry-After': '3' }).end();
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const url = `http://127.0.0.1:${server.address().port}/`;

for (const options of [{ timeout: 1000 }, { totalTimeout: 1000 }, { retry: { maxRetryAfter: 200 } }]) {
  requests = 0;
  const began = performance.now();
  const error = await ky(url, options).catch((e) => e);
  const seconds = (performance.now() - began) / 1000;
  const waited = seconds >= 6 ? 'at least twice Retry-After' : seconds < 3 ? 'less than Retry-After' : seconds;
  console.log(`${JSON.stringify(options)}: ${error.name}, ${requests} requests, ${waited}`);
}
server.close();
END
node_modules/.bin/node ask.mjs >seen
compare <<'END'
{"timeout":1000}: HTTPError, 3 requests, at least twice Retry-After
{"totalTimeout":1000}: TimeoutError, 1 requests, less than Retry-After
{"retry":{"maxRetryAfter":200}}: HTTPError, 3 requests, less than Retry-After
END
