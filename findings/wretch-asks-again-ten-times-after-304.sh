#!/bin/sh
# wretch's retry repeats a request ten times when nothing has changed (304)
#
# Guess (28 November, 31 and 32): a 304 to a request with an own If-None-Match reaches the caller after
#             one request.
# Behaviour:  the default condition of the middleware `retry` is `response.ok`, which is false for a 304.
#             The middleware sends ten more requests, in 27 seconds by default. Then it rejects with
#             "Number of attempts exceeded", without a status. The retry of up-fetch has the same
#             condition. Without a retry, both reject with the status 304 after one request.
# Versions:   wretch 3.0.9, up-fetch 2.6.1 (npm), with node 22.22.0.
# Matters:    a page polls with an ETag to save traffic. Each poll without news becomes eleven requests,
#             and the rate limit of the service refuses the page.

. "$(dirname "$0")/lib/start.sh"
npm_packages wretch@3.0.9 up-fetch@2.6.1 node@22.22.0
cat >poll.mjs <<'END'
import { createServer } from 'node:http';
import { up } from 'up-fetch';
import wretch from 'wretch';
import { retry } from 'wretch/middlewares';

let requests = 0;
const server = createServer((request, response) => {
  requests++;
  if (request.headers['if-none-match'] === '"1"') response.writeHead(304, { etag: '"1"' }).end();
  else response.writeHead(200, { etag: '"1"', 'content-type': 'application/json' }).end('{"state":"open"}');
}).listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const headers = { 'If-None-Match': '"1"' };
  const poll = async (name, call) => {
    requests = 0;
    const outcome = await call().catch((error) => `rejects, status ${error.status}`);
    console.log(`${name}: ${outcome}, ${requests} request${requests === 1 ? '' : 's'}`);
  };
  const api = wretch(url).headers(headers);
  const upfetch = up(fetch);
  await poll('wretch', () => api.get().res());
  await poll('wretch, retry', () => api.middlewares([retry({ delayTimer: 10 })]).get().res());
  await poll('up-fetch', () => upfetch(url, { headers }));
  await poll('up-fetch, retry', () => upfetch(url, { headers, retry: { attempts: 2, delay: 10 } }));
  process.exit();
});
END
npx node poll.mjs >seen
compare <<'END'
wretch: rejects, status 304, 1 request
wretch, retry: rejects, status undefined, 11 requests
up-fetch: rejects, status 304, 1 request
up-fetch, retry: rejects, status 304, 3 requests
END
