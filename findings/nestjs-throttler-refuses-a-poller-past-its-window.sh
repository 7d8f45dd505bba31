#!/bin/sh
# @nestjs/throttler refuses a steady poller for longer than the window of its limit
#
# Guess (28 November, 24): a caller that was refused is served again when the window of its limit
#             ends. So a caller that polls twice as fast as the limit gets answers in each window.
# Behaviour:  a refusal blocks the caller for another whole window (blockDuration is the window by
#             default). Refused requests count too. With the storage in Redis, they have used up the
#             limit of the next window when the block ends, and the caller is blocked again.
# Versions:   @nestjs/throttler 6.7.1, @nest-lab/throttler-storage-redis 1.2.0, @nestjs/core 11.1.9,
#             ioredis 6.0.0 (npm), redis-server 7.0.15 (Debian).
# Matters:    a page that polls a little too fast never sees its order paid, as long as it goes on
#             polling.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages @nestjs/throttler@6.7.1 @nest-lab/throttler-storage-redis@1.2.0 @nestjs/common@11.1.9 \
	@nestjs/core@11.1.9 @nestjs/platform-express@11.1.9 ioredis@6.0.0 reflect-metadata@0.2.2 rxjs@7.8.2
cat >shop.cjs <<'END'
require('reflect-metadata');
const { Module, Controller, Get } = require('@nestjs/common');
const { APP_GUARD, NestFactory } = require('@nestjs/core');
const { ThrottlerGuard, ThrottlerModule } = require('@nestjs/throttler');
const { ThrottlerStorageRedisService } = require('@nest-lab/throttler-storage-redis');
const { Redis } = require('ioredis');

const ttl = 4000, limit = 4, windows = 6;

class Orders {
  status() {
    return { status: 'processing' };
  }
}
Get('/status')(Orders.prototype, 'status', Object.getOwnPropertyDescriptor(Orders.prototype, 'status'));
Controller()(Orders);

// poll asks at twice the rate of the limit, and measures the longest time without an answer.
async function poll(name, storage) {
  class Shop {}
  Module({
    imports: [ThrottlerModule.forRoot({ throttlers: [{ ttl, limit }], storage })],
    controllers: [Orders],
    providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  })(Shop);
  const app = await NestFactory.create(Shop, { logger: false });
  await app.listen(0, '127.0.0.1');
  const url = `${await app.getUrl()}/status`;
  const begin = Date.now();
  let served = 0, last = begin, longest = 0;
  for (let n = 0; n < 2 * limit * windows; n++) {
    await new Promise((done) => setTimeout(done, begin + (n * ttl) / (2 * limit) - Date.now()));
    const { status } = await fetch(url);
    longest = Math.max(longest, Date.now() - last);
    if (status !== 200) continue;
    last = Date.now();
    served++;
  }
  await app.close();
  console.log(`${name}: a window or longer without an answer: ${longest >= ttl}`);
  console.log(`${name}: all that the limit allows: ${served >= limit * windows}`);
}

const redis = new Redis({ path: 'socket' });
(async () => {
  await poll('storage in memory', undefined);
  await poll('storage in Redis', new ThrottlerStorageRedisService(redis));
  process.exit();
})();
END
node shop.cjs >seen
compare <<'END'
storage in memory: a window or longer without an answer: true
storage in memory: all that the limit allows: false
storage in Redis: a window or longer without an answer: true
storage in Redis: all that the limit allows: false
END
