#!/bin/sh
# varnish sends a POST without a body to the service twice
#
# Guess (28 November A, 28): a POST on a connection that the service closes before its answer reaches the
#             service once, and the caller gets 503.
# Behaviour:  if the connection has carried a request before, varnish opens another one and sends the POST
#             again. The caller gets the answer to the second POST, 200. Varnish does not repeat a POST with
#             a body. nginx 1.22.1, haproxy 2.6.12, squid 5.7, apache 2.4.71, trafficserver 9.2.5, h2o 2.2.5,
#             nghttpx 1.52.0 and lighttpd 1.4.69 repeat neither.
# Versions:   varnish 7.1.1-2+deb12u1 (Debian 12).
# Matters:    a capture, or a refund of the rest, often has no body. A service that is killed between the
#             refund and its answer refunds twice, unless it recognizes repeats. The caller sees one 200.

. "$(dirname "$0")/lib/start.sh"
need node apt-get dpkg-deb gcc
apt-get download -qq varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 >apt.log 2>&1 || { cat apt.log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root; done
libraries=$(echo "$work"/root/usr/lib/*-linux-gnu)
cat >pass.vcl <<END
vcl 4.1;
backend service { .path = "$work/service"; }
sub vcl_recv { return (pass); }
END
cat >refund.mjs <<'END'
import { createServer, request } from 'node:http';
let ends = 0; // connections that the service closes instead of an answer
let arrivals = 0;

createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.method === 'POST') arrivals++;
    if (request.method === 'POST' && ends-- > 0) return request.socket.destroy();
    response.end('{}');
  });
}).listen('service');

const send = (method, body) => new Promise((done, failed) => {
  const headers = { Host: 'shop', 'Content-Length': body.length };
  request({ socketPath: 'varnish', path: '/v1/refunds', method, headers, agent: false }, (response) => {
    response.resume().on('end', () => done(response.statusCode));
  }).on('error', failed).end(body);
});
for (const [name, body] of [['with a body', '{"amount":1000}'], ['without a body', '']]) {
  await send('GET', ''); // varnish keeps the connection of this one
  [ends, arrivals] = [1, 0];
  const status = await send('POST', body);
  console.log(`POST ${name}: requests at the service: ${arrivals}, the caller gets ${status}`);
}
process.exit();
END
LD_LIBRARY_PATH=$libraries:$libraries/varnish root/usr/sbin/varnishd -F -j none -n "$work/state" \
	-a "$work/varnish" -f "$work/pass.vcl" -s malloc,20m >varnish.log 2>&1 &
started=$!
# The socket exists before varnish listens on it.
listens="require('net').connect('varnish').on('connect', () => process.exit()).on('error', () => process.exit(1))"
await 'node -e "$listens"' || { cat varnish.log; exit 2; }
node refund.mjs >seen
compare <<'END'
POST with a body: requests at the service: 1, the caller gets 503
POST without a body: requests at the service: 2, the caller gets 200
END
