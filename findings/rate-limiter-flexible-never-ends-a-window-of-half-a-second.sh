#!/bin/sh
# rate-limiter-flexible never ends a window of less than a second in Redis
#
# Guess (28 November, B34): with `duration: 0.5`, RateLimiterRedis has a window of half a second, as
#             RateLimiterMemory has.
# Behaviour:  RateLimiterRedis rounds the duration down to whole seconds. A duration below a second
#             becomes 0: the key gets no TTL, and the caller is refused until the key is deleted.
#             RateLimiterMemory keeps the fraction.
# Versions:   rate-limiter-flexible 11.4.0, ioredis 6.0.0 (npm), redis-server 7.0.15 (Debian).
# Matters:    tests with the limiter in memory pass. In production a customer who has used up the
#             limit once can never pay again.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages rate-limiter-flexible@11.4.0 ioredis@6.0.0
cat >limits.mjs <<'END'
import Redis from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';

const redis = new Redis({ path: 'socket' });
const points = 2;
for (const duration of [0.5, 1]) {
  const keyPrefix = `limit-${duration}`;
  const limiters = {
    memory: new RateLimiterMemory({ points, duration, keyPrefix }),
    redis: new RateLimiterRedis({ points, duration, keyPrefix, storeClient: redis }),
  };
  for (const [name, limiter] of Object.entries(limiters)) {
    const consume = () => limiter.consume('customer').then(() => 'served', () => 'refused');
    const outcomes = [];
    for (let n = 0; n < points + 1; n++) outcomes.push(await consume());
    await new Promise((resolve) => setTimeout(resolve, 4000));
    console.log(`${duration} s in ${name}: ${outcomes.join(', ')}; after 4 s: ${await consume()}`);
  }
}
console.log('TTL of the key with 0.5 s:', await redis.ttl('limit-0.5:customer'));
process.exit();
END
node limits.mjs >seen
compare <<'END'
0.5 s in memory: served, served, refused; after 4 s: served
0.5 s in redis: served, served, refused; after 4 s: refused
1 s in memory: served, served, refused; after 4 s: served
1 s in redis: served, served, refused; after 4 s: served
TTL of the key with 0.5 s: -1
END
