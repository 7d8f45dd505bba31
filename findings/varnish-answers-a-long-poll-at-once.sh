#!/bin/sh
# varnish answers a long poll at once
#
# Guess (28 November A, 46): a GET that names the current version in If-None-Match reaches the service
#             with that header, so the service holds it. No answer is stored, because each of them has
#             Cache-Control: private, no-cache.
# Behaviour:  with the default VCL, varnish removes If-None-Match from each GET that could be cached. The
#             service sends the whole answer at once. Varnish compares the ETags itself, and the page gets
#             304 at once. A request with Authorization or a cookie reaches the service unchanged.
# Versions:   varnish 7.1.1-2+deb12u1 (Debian 12).
# Matters:    without varnish, a page whose secret is in its URL waits up to the whole hold for a 304. Behind
#             varnish it polls in a loop without a pause, and each poll costs the service a whole answer.

. "$(dirname "$0")/lib/start.sh"
need node apt-get dpkg-deb gcc
apt-get download -qq varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 >apt.log 2>&1 || { cat apt.log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root; done
libraries=$(echo "$work"/root/usr/lib/*-linux-gnu)
cat >default.vcl <<END
vcl 4.1;
backend service { .path = "$work/service"; }
END
cat >poll.mjs <<'END'
import { createServer, get } from 'node:http';
const hold = 2; // seconds that the service holds a request without a change

createServer((request, response) => {
  const known = request.headers['if-none-match'];
  console.log(`  the service gets If-None-Match: ${known ?? 'missing'}`);
  response.setHeader('ETag', '"5"').setHeader('Cache-Control', 'private, no-cache').setHeader('Vary', 'Authorization');
  if (known === '"5"') return setTimeout(() => response.writeHead(304).end(), hold * 1000);
  response.setHeader('Content-Type', 'application/json').end('{"state":"processing"}');
}).listen('service');

const poll = (name, socketPath, headers) => new Promise((done, failed) => {
  const begin = performance.now();
  const path = `/v1/payments/pi_1?secret=s&wait=${hold}`;
  get({ socketPath, path, agent: false, headers: { Host: 'shop', 'If-None-Match': '"5"', ...headers } }, (response) => {
    const held = performance.now() - begin > hold * 1000 - 100;
    console.log(`${name}: ${response.statusCode} ${held ? 'at the end of the wait' : 'at once'}`);
    response.resume().on('end', done);
  }).on('error', failed);
});
await poll('without varnish', 'service', {});
for (let n = 0; n < 3; n++) await poll('through varnish', 'varnish', {});
await poll('through varnish, with Authorization', 'varnish', { Authorization: 'Bearer s' });
process.exit();
END
LD_LIBRARY_PATH=$libraries:$libraries/varnish root/usr/sbin/varnishd -F -j none -n "$work/state" \
	-a "$work/varnish" -f "$work/default.vcl" -s malloc,20m >varnish.log 2>&1 &
started=$!
# The socket exists before varnish listens on it.
listens="require('net').connect('varnish').on('connect', () => process.exit()).on('error', () => process.exit(1))"
await 'node -e "$listens"' || { cat varnish.log; exit 2; }
node poll.mjs >seen
compare <<'END'
  the service gets If-None-Match: "5"
without varnish: 304 at the end of the wait
  the service gets If-None-Match: missing
through varnish: 304 at once
  the service gets If-None-Match: missing
through varnish: 304 at once
  the service gets If-None-Match: missing
through varnish: 304 at once
  the service gets If-None-Match: "5"
through varnish, with Authorization: 304 at the end of the wait
END
