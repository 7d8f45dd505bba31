#!/bin/sh
# alova's polling reads its own memory cache instead of the server
#
# Guess (28 November, 35): useAutoRequest with `pollingTime` sends a request at each interval.
# Behaviour:  the first response fills alova's memory cache, which keeps each GET for five minutes by
#             default. The polls read that cache. The server's `Cache-Control: private, no-cache` has no
#             effect. With `cacheFor: 0` on the method, each poll is a request.
# Versions:   alova 3.5.5, vue 3.5.45, jsdom 26.1.0 (npm).
# Matters:    the customer has paid, and the page shows an open order for five minutes.

. "$(dirname "$0")/lib/start.sh"
npm_packages alova@3.5.5 vue@3.5.45 jsdom@26.1.0
cat >page.mjs <<'END'
import { createServer } from 'node:http';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('<div id="page"></div>', { url: 'http://shop.example/', pretendToBeVisual: true });
const { document, Element, HTMLElement, SVGElement, Node, localStorage } = window;
Object.assign(globalThis, { window, document, Element, HTMLElement, SVGElement, Node, localStorage });
const { createApp } = await import('vue');
const { createAlova } = await import('alova');
const { useAutoRequest } = await import('alova/client');
const { default: adapterFetch } = await import('alova/fetch');
const { default: VueHook } = await import('alova/vue');

const requests = {};
const server = createServer((request, response) => {
  requests[request.url] = (requests[request.url] ?? 0) + 1;
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'private, no-cache' });
  response.end(JSON.stringify({ state: requests[request.url] > 1 ? 'paid' : 'open' }));
}).listen(0, '127.0.0.1', async () => {
  const api = createAlova({
    baseURL: `http://127.0.0.1:${server.address().port}`,
    statesHook: VueHook,
    requestAdapter: adapterFetch(),
    responded: (response) => response.json(),
    cacheLogger: false,
  });
  const poll = (path, config) =>
    new Promise((resolve) => {
      let polls = 0;
      const setup = () => {
        const { onSuccess } = useAutoRequest(() => api.Get(path, config), { pollingTime: 100, throttle: 0 });
        onSuccess(({ data }) => {
          const sent = requests[path] === 1 ? 'one request' : 'several requests';
          if (++polls === 5) resolve(`five polls, ${sent}, the order is ${data.state}`);
        });
        return () => null;
      };
      createApp({ setup }).mount(document.createElement('div'));
    });
  console.log(`by default: ${await poll('/default')}`);
  console.log(`with cacheFor 0: ${await poll('/uncached', { cacheFor: 0 })}`);
  process.exit();
});
END
node page.mjs >seen
compare <<'END'
by default: five polls, one request, the order is open
with cacheFor 0: five polls, several requests, the order is paid
END
