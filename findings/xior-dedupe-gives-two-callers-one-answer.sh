#!/bin/sh
# xior's dedupe plug-in gives two callers one answer
#
# Guess (28 November A, 61): two GETs of one URL at the same time, with two values of Authorization, are not
#             identical. Both are sent.
# Behaviour:  only the first one is sent, and both calls get its answer. The plug-in compares the method, the
#             URL and its parameters, and no header. The throttle plug-in does the same to the calls of one
#             second. The documentation speaks of identical requests.
# Versions:   xior 0.8.5 (npm).
# Matters:    a backend that calls an API for its customers shows a customer the order or the saved cards of
#             another one.

. "$(dirname "$0")/lib/start.sh"
npm_packages xior@0.8.5
cat >backend.mjs <<'END'
import { createServer } from 'node:http';
import xior from 'xior';
import dedupe from 'xior/plugins/dedupe';
import throttle from 'xior/plugins/throttle';

const service = createServer((request, response) => {
  const caller = request.headers.authorization;
  console.log(`  the service is asked by ${caller}`);
  response.setHeader('Content-Type', 'application/json');
  setTimeout(() => response.end(JSON.stringify({ cards: `those of ${caller}` })), 200);
}).listen(0, '127.0.0.1', async () => {
  const baseURL = `http://127.0.0.1:${service.address().port}`;
  for (const [name, plugin] of [['no plug-in'], ['dedupe', dedupe()], ['throttle', throttle()]]) {
    console.log(name);
    const api = xior.create({ baseURL });
    if (plugin) api.plugins.use(plugin);
    const cards = async (caller) => (await api.get('/v1/cards', { headers: { Authorization: caller } })).data.cards;
    const answers = await Promise.all(['ann', 'bob'].map(async (caller) => `${caller} gets ${await cards(caller)}`));
    for (const answer of answers) console.log(`  ${answer}`);
  }
  process.exit();
});
END
node backend.mjs >seen
compare <<'END'
no plug-in
  the service is asked by ann
  the service is asked by bob
  ann gets those of ann
  bob gets those of bob
dedupe
  the service is asked by ann
  ann gets those of ann
  bob gets those of ann
throttle
  the service is asked by ann
  ann gets those of ann
  bob gets those of ann
END
