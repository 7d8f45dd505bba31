#!/bin/sh
# cache-manager keeps a value in memory for longer than Redis keeps it
#
# Guess (28 November, 53): with memory before Redis, a value that Redis keeps for one more second stays
#             in memory for one second at most.
# Behaviour:  `wrap` copies a value from Redis to the memory with the TTL of its own call, and not with
#             the time that is left. Without a TTL in the call the copy never expires, though the value in
#             Redis had a TTL. `get` does not copy.
# Versions:   cache-manager 7.2.9, keyv 5.6.0, @keyv/redis 5.1.6 (npm), redis-server 7.0.15 (Debian).
# Matters:    another process stores a price with a TTL, and this process uses it until it ends. With the
#             same TTL everywhere, a price can be twice as old as the TTL.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages cache-manager@7.2.9 keyv@5.6.0 @keyv/redis@5.1.6
cat >shop.mjs <<'END'
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';

const connect = () => new Keyv({ store: new KeyvRedis({ socket: { path: './socket' } }) });
const redis = connect();
const memory = new Keyv();
const cache = createCache({ stores: [memory, connect()] });
const left = async (key) => {
  const { expires } = await memory.get(key, { raw: true });
  return expires ? 'a TTL' : 'no TTL';
};
const current = async () => 'new price';

await redis.set('a', 'old price', 1000);
await redis.set('b', 'old price', 1000);
await cache.wrap('a', current);
await cache.wrap('b', current, 60000);
console.log(`wrap: the copy in memory has ${await left('a')}`);
console.log(`wrap with a TTL: the copy in memory has ${await left('b')}`);
while ((await redis.has('a')) || (await redis.has('b'))) await new Promise((resolve) => setTimeout(resolve, 100));
console.log('Redis keeps neither any more');
console.log(`wrap: ${await cache.wrap('a', current)}`);
console.log(`wrap with a TTL: ${await cache.wrap('b', current, 60000)}`);
process.exit();
END
node shop.mjs >seen
compare <<'END'
wrap: the copy in memory has no TTL
wrap with a TTL: the copy in memory has a TTL
Redis keeps neither any more
wrap: old price
wrap with a TTL: old price
END
