#!/bin/sh
# node-redis answers XINFO GROUPS from its cache after the group has read or acknowledged entries
#
# Guess (28 November, B49): with the client-side cache, `xInfoGroups` shows what Redis has.
# Behaviour:  node-redis caches each command that Redis flags as readonly, with few exceptions. Redis
#             sends an invalidation when the content of a key changes. XREADGROUP and XACK change the
#             group and not the content, so Redis sends none. The cache returns the old counts until
#             the next XADD, or until the TTL of the cache has passed (none by default). XPENDING is
#             not cached.
# Versions:   redis 6.3.1 (npm), redis-server 7.0.15 (Debian).
# Matters:    an alert on pending entries does not fire while a worker is stuck, and a shutdown that
#             waits for a lag of 0 never ends.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages redis@6.3.1
cat >outbox.mjs <<'END'
import { createClient } from 'redis';

const open = async (options) => {
  const client = createClient({ RESP: 3, socket: { path: 'socket' }, ...options });
  client.on('error', (error) => console.log(error.message));
  return client.connect();
};
const cached = await open({ clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } });
const plain = await open();
const worker = await open();

// show prints the counts of both clients. An invalidation that was sent before is handled before the reply to PING.
async function show(when) {
  await cached.ping();
  for (const [name, client] of Object.entries({ cached, plain })) {
    const [group] = await client.xInfoGroups('outbox');
    const { pending } = await client.xPending('outbox', 'push');
    console.log(`${when}, ${name}: XINFO pending ${group.pending} lag ${group.lag}, XPENDING ${pending}`);
  }
}

await worker.xGroupCreate('outbox', 'push', '0', { MKSTREAM: true });
for (let n = 0; n < 5; n++) await worker.xAdd('outbox', '*', { event: 'order.paid' });
await show('five events');
const next = { key: 'outbox', id: '>' };
const [{ messages }] = await worker.xReadGroup('push', 'worker', next, { COUNT: 5 });
await show('read');
await worker.xAck('outbox', 'push', messages.map(({ id }) => id));
await show('acknowledged');
await worker.xAdd('outbox', '*', { event: 'order.refunded' });
await show('the sixth event');
process.exit();
END
node outbox.mjs >seen
compare <<'END'
five events, cached: XINFO pending 0 lag 5, XPENDING 0
five events, plain: XINFO pending 0 lag 5, XPENDING 0
read, cached: XINFO pending 0 lag 5, XPENDING 5
read, plain: XINFO pending 5 lag 0, XPENDING 5
acknowledged, cached: XINFO pending 0 lag 5, XPENDING 0
acknowledged, plain: XINFO pending 0 lag 0, XPENDING 0
the sixth event, cached: XINFO pending 0 lag 1, XPENDING 0
the sixth event, plain: XINFO pending 0 lag 1, XPENDING 0
END
