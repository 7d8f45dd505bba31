#!/bin/sh
# axios-etag-cache returns the body of another order
#
# Guess (28 November, 34): two GETs that differ in `params` are two entries of the cache.
# Behaviour:  the cache's key is `url` without `params`. The second request carries the ETag of the first
#             response. If both orders have the same ETag, the server answers 304, and the package returns
#             the first body with status 200. A query that is part of `url` is part of the key.
# Versions:   axios-etag-cache 1.4.0, axios 1.21.1 (npm).
# Matters:    a backend books the amount and the state of another order. Two resources may have the same
#             ETag (RFC 9110, 8.8.1). Those of a server that counts versions often do.

. "$(dirname "$0")/lib/start.sh"
npm_packages axios-etag-cache@1.4.0 axios@1.21.1
cat >shop.mjs <<'END'
import { createServer } from 'node:http';
import axios from 'axios';
import { axiosETAGCache } from 'axios-etag-cache';

// The ETag of an order is the number of its version, which is 1 for all of these.
const server = createServer((request, response) => {
  const order = new URL(request.url, 'http://shop').searchParams.get('order_id');
  console.log(`  the server is asked for ${order}, If-None-Match ${request.headers['if-none-match'] ?? 'is missing'}`);
  if (request.headers['if-none-match'] === '"1"') return response.writeHead(304, { etag: '"1"' }).end();
  response.writeHead(200, { etag: '"1"', 'content-type': 'application/json' }).end(JSON.stringify({ order }));
}).listen(0, '127.0.0.1', async () => {
  const api = axiosETAGCache(axios.create({ baseURL: `http://127.0.0.1:${server.address().port}` }));
  for (const order_id of ['A', 'B']) {
    const { status, data } = await api.get('/v1/payments', { params: { order_id } });
    console.log(`for ${order_id}: ${status}, the body is of ${data.order}`);
  }
  for (const order_id of ['C', 'D']) {
    const { status, data } = await api.get(`/v1/payments?order_id=${order_id}`);
    console.log(`for ${order_id}, in the URL: ${status}, the body is of ${data.order}`);
  }
  process.exit();
});
END
node shop.mjs >seen
compare <<'END'
  the server is asked for A, If-None-Match is missing
for A: 200, the body is of A
  the server is asked for B, If-None-Match "1"
for B: 200, the body is of A
  the server is asked for C, If-None-Match is missing
for C, in the URL: 200, the body is of C
  the server is asked for D, If-None-Match is missing
for D, in the URL: 200, the body is of D
END
