#!/bin/sh
# @fastify/reply-from reads the seconds of Retry-After as milliseconds
#
# Guess (28 November, 33): a 503 with Retry-After reaches the caller after one request.
# Behaviour:  the proxy sends a GET that is answered 503 ten more times. Before each repeat it waits as
#             many milliseconds as Retry-After has seconds. It does not wait for a date. The documentation
#             mentions the repeats (maxRetriesOn503), and not the unit.
# Versions:   @fastify/reply-from 12.6.5, fastify 5.12.8 (npm).
# Matters:    a service that is overloaded or starts up asks its callers to wait. A backend that forwards
#             polls with this package sends it eleven times the requests instead.

. "$(dirname "$0")/lib/start.sh"
npm_packages @fastify/reply-from@12.6.5 fastify@5.12.8
cat >proxy.mjs <<'END'
import { createServer } from 'node:http';
import replyFrom from '@fastify/reply-from';
import Fastify from 'fastify';

let arrivals, retryAfter;
const service = createServer((request, response) => {
  arrivals.push(performance.now());
  response.writeHead(503, { 'retry-after': retryAfter() }).end();
}).listen(0, '127.0.0.1', async () => {
  const proxy = Fastify();
  proxy.register(replyFrom, { base: `http://127.0.0.1:${service.address().port}` });
  proxy.get('/v1/payments/pi_1', (request, reply) => reply.from());
  await proxy.listen({ port: 0, host: '127.0.0.1' });
  const poll = async (header) => {
    [arrivals, retryAfter] = [[], header];
    const { status } = await fetch(`http://127.0.0.1:${proxy.server.address().port}/v1/payments/pi_1`);
    const gaps = arrivals.slice(1).map((at, index) => at - arrivals[index]);
    return { status, requests: arrivals.length, shortest: Math.min(...gaps), longest: Math.max(...gaps) };
  };
  const seconds = await poll(() => '300');
  console.log(`Retry-After: 300: ${seconds.status} after ${seconds.requests} requests`);
  const [short, long] = [seconds.shortest >= 290, seconds.longest >= 300000];
  console.log(`  each wait reaches 0.29 s: ${short}, one of them 300 s: ${long}`);
  const date = await poll(() => new Date(Date.now() + 300000).toUTCString());
  console.log(`Retry-After, a date: ${date.status} after ${date.requests} requests`);
  process.exit();
});
END
node proxy.mjs >seen
compare <<'END'
Retry-After: 300: 503 after 11 requests
  each wait reaches 0.29 s: true, one of them 300 s: false
Retry-After, a date: 503 after 11 requests
END
