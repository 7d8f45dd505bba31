#!/bin/sh
# axios-cache-interceptor does not store, and never revalidates, a response that is private or no-cache
#
# Guess (28 November, 29): a response with an ETag and `Cache-Control: private, no-cache` is stored.
#             The next GET sends If-None-Match, and after a 304 it resolves with the stored body.
# Behaviour:  the package treats `private` and `no-cache` as `no-store`, in a browser too: it stores
#             nothing, and sends no If-None-Match. It stores and revalidates `max-age=0`.
# Versions:   axios-cache-interceptor 1.12.3, axios 1.21.1 (npm).
# Matters:    each poll of a page gets the whole response, though the server supports ETag and 304.

. "$(dirname "$0")/lib/start.sh"
npm_packages axios-cache-interceptor@1.12.3 axios@1.21.1
cat >page.mjs <<'END'
import { createServer } from 'node:http';
import axios from 'axios';
import { setupCache } from 'axios-cache-interceptor';

let control;
const tags = [];
const server = createServer((request, response) => {
  const tag = request.headers['if-none-match'];
  tags.push(tag ?? 'none');
  response.setHeader('etag', '"v1"').setHeader('cache-control', control);
  if (tag === '"v1"') return response.writeHead(304).end();
  response.setHeader('content-type', 'application/json').end('{"status":"processing"}');
}).listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  for (control of ['max-age=0', 'private, max-age=0', 'no-cache', 'private, no-cache']) {
    const client = setupCache(axios.create());
    tags.length = 0;
    for (let n = 0; n < 3; n++) await client.get(url);
    console.log(`${control}: If-None-Match of three GETs: ${tags.join(', ')}`);
  }
  process.exit();
});
END
node page.mjs >seen
compare <<'END'
max-age=0: If-None-Match of three GETs: none, "v1", "v1"
private, max-age=0: If-None-Match of three GETs: none, none, none
no-cache: If-None-Match of three GETs: none, none, none
private, no-cache: If-None-Match of three GETs: none, none, none
END
