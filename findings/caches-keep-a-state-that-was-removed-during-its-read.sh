#!/bin/sh
# Four caches keep a state that was removed while it was being read
#
# Guess (28 November A, 53 to 57): a read of an order is in flight when a webhook changes the order, and its
#             handler removes the key. A read that begins afterwards gets the new state.
# Behaviour:  bentocache, cacheable, cache-manager, and async-cache-dedupe with references give it the old
#             state. They share the read in flight, and then store its result for the whole TTL: the removal
#             had nothing to remove. lru-cache, and async-cache-dedupe without references, read again.
# Versions:   bentocache 1.6.1, cacheable 2.5.0, cache-manager 7.2.9, async-cache-dedupe 3.4.0, lru-cache
#             11.5.3 (npm).
# Matters:    a customer returns from 3-D Secure, and the page reads the state just when the webhook arrives.
#             The backend shows the order as unpaid until the TTL ends, though its webhook handler is right.

. "$(dirname "$0")/lib/start.sh"
npm_packages bentocache@1.6.1 cacheable@2.5.0 cache-manager@7.2.9 async-cache-dedupe@3.4.0 lru-cache@11.5.3
cat >backend.mjs <<'END'
import { createCache as createDedupe } from 'async-cache-dedupe';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { createCache } from 'cache-manager';
import { Cacheable } from 'cacheable';
import { LRUCache } from 'lru-cache';

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let state, reads;
// read takes 0.3 s, and returns the state of its begin.
const read = async () => {
  reads++;
  const begin = { state };
  await pause(300);
  return begin;
};

async function run(name, get, remove) {
  [state, reads] = ['pending', 0];
  const inFlight = Promise.resolve(get()).catch(() => {});
  await pause(100);
  state = 'paid';
  await remove();
  const afterwards = (await get()).state;
  await inFlight;
  console.log(`${name}: after the removal ${afterwards}, later ${(await get()).state}, reads: ${reads}`);
}

const lru = new LRUCache({ max: 10, ttl: 60000, fetchMethod: read });
await run('lru-cache', () => lru.fetch('order'), () => lru.delete('order'));

const plain = createDedupe({ ttl: 60, storage: { type: 'memory' } }).define('order', read);
await run('async-cache-dedupe, clear', () => plain.order('1'), () => plain.clear('order', '1'));

const linked = createDedupe({ ttl: 60, storage: { type: 'memory', options: { invalidation: true } } });
linked.define('order', { references: () => ['order:1'] }, read);
await run('async-cache-dedupe, invalidate', () => linked.order('1'), () => linked.invalidate('order', ['order:1']));

const memory = bentostore().useL1Layer(memoryDriver({ maxSize: '1mb' }));
const bento = new BentoCache({ default: 'memory', stores: { memory } });
const bentoGet = () => bento.getOrSet({ key: 'order', ttl: '1m', factory: read });
await run('bentocache', bentoGet, () => bento.delete({ key: 'order' }));

const cacheable = new Cacheable({ ttl: '1m' });
await run('cacheable', () => cacheable.getOrSet('order', read), () => cacheable.delete('order'));

const manager = createCache({ ttl: 60000 });
await run('cache-manager', () => manager.wrap('order', read), () => manager.del('order'));
process.exit();
END
node backend.mjs >seen
compare <<'END'
lru-cache: after the removal paid, later paid, reads: 2
async-cache-dedupe, clear: after the removal paid, later paid, reads: 2
async-cache-dedupe, invalidate: after the removal pending, later pending, reads: 1
bentocache: after the removal pending, later pending, reads: 1
cacheable: after the removal pending, later pending, reads: 1
cache-manager: after the removal pending, later pending, reads: 1
END
