#!/bin/sh
# route-cache turns a 503 into an empty 200 for the requests that wait
#
# Guess (28 November A, 9): a GET that arrives while the handler works for the same URL gets the answer of
#             that handler, or its own run of it. So both GETs get 503.
# Behaviour:  the second GET waits for the first one. The package stores no answer from 400 on, so the second
#             one finds nothing when the first one ends. It gets 200 with an empty body, and without the
#             problem's Retry-After. A 200 reaches both of them.
# Versions:   route-cache 0.7.1, express 5.3.0 (npm).
# Matters:    during an outage each page but the first one gets 200 for an order whose state is unknown. A
#             backend that checks the status only takes that for a success, and asks no more.

. "$(dirname "$0")/lib/start.sh"
npm_packages route-cache@0.7.1 express@5.3.0
cat >shop.cjs <<'END'
const express = require('express');
const cache = require('route-cache');

let answer; // ends the request that the handler works for
const shop = express().get('/:order', cache.cacheSeconds(60), (request, response) => {
  console.log('  the handler runs');
  answer = (status, body) => response.status(status).set('Retry-After', '5').json(body);
});
const server = shop.listen(0, '127.0.0.1', async () => {
  const waiting = () => new Promise((done) => setTimeout(done, 200));
  const read = async (order) => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}/${order}`);
    const retry = response.headers.get('Retry-After') ?? 'missing';
    return `${response.status}, body ${(await response.text()) || 'empty'}, Retry-After ${retry}`;
  };
  for (const [order, status, body] of [['A', 200, { state: 'paid' }], ['B', 503, { code: 'unavailable' }]]) {
    console.log(`order ${order}, the handler answers ${status}`);
    const first = read(order);
    await waiting();
    const second = read(order);
    await waiting();
    answer(status, body);
    console.log(`  first:  ${await first}`);
    console.log(`  second: ${await second}`);
  }
  process.exit();
});
END
node shop.cjs >seen
compare <<'END'
order A, the handler answers 200
  the handler runs
  first:  200, body {"state":"paid"}, Retry-After 5
  second: 200, body {"state":"paid"}, Retry-After missing
order B, the handler answers 503
  the handler runs
  first:  503, body {"code":"unavailable"}, Retry-After 5
  second: 200, body empty, Retry-After missing
END
