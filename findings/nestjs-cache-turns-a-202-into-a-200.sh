#!/bin/sh
# @nestjs/cache-manager turns a 202 into a 200
#
# Guess (28 November A, 6): a handler answers 202 with Retry-After while a payment is processing. The answer
#             from the cache is 202, too.
# Behaviour:  CacheInterceptor stores the body alone. The answer from the cache is 200, and has neither the
#             Retry-After, nor the ETag, nor the Cache-Control of the handler. Express adds an ETag of its
#             own, and no Cache-Control. A status that a decorator sets is kept.
# Versions:   @nestjs/cache-manager 12.0.0, @nestjs/core 12.5.1, cache-manager 7.2.9 (npm).
# Matters:    a shop that takes 202 for "not yet" and 200 for the end ships an order that is not paid. The
#             first answer is right, so a test with one request does not see it.

. "$(dirname "$0")/lib/start.sh"
npm_packages @nestjs/cache-manager@12.0.0 @nestjs/common@12.5.1 @nestjs/core@12.5.1 @nestjs/platform-express@12.5.1 \
	cache-manager@7.2.9 keyv@5.5.5 reflect-metadata@0.2.2 rxjs@7.8.2
cat >shop.mjs <<'END'
import 'reflect-metadata';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Controller, Get, HttpCode, Module, Res, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

class Orders {
  set(response) {
    response.status(202).set({ 'Retry-After': '5', ETag: '"7"', 'Cache-Control': 'private, no-cache' });
    return { state: 'processing' };
  }
  decorated() {
    return { state: 'processing' };
  }
}
const describe = (name) => Object.getOwnPropertyDescriptor(Orders.prototype, name);
for (const name of ['set', 'decorated']) {
  Get(name)(Orders.prototype, name, describe(name));
  UseInterceptors(CacheInterceptor)(Orders.prototype, name, describe(name));
}
Res({ passthrough: true })(Orders.prototype, 'set', 0);
HttpCode(202)(Orders.prototype, 'decorated', describe('decorated'));
Controller()(Orders);

class Shop {}
Module({ imports: [CacheModule.register({ ttl: 60000 })], controllers: [Orders] })(Shop);
const shop = await NestFactory.create(Shop, { logger: false });
await shop.listen(0, '127.0.0.1');
for (const path of ['set', 'set', 'decorated', 'decorated']) {
  const response = await fetch(`${await shop.getUrl()}/${path}`);
  console.log(`${path}, X-Cache ${response.headers.get('X-Cache')}: ${response.status} ${await response.text()}`);
  const [retry, cache] = ['Retry-After', 'Cache-Control'].map((name) => response.headers.get(name) ?? 'missing');
  if (path === 'set') console.log(`  Retry-After ${retry}, Cache-Control ${cache}`);
}
process.exit();
END
node shop.mjs >seen
compare <<'END'
set, X-Cache MISS: 202 {"state":"processing"}
  Retry-After 5, Cache-Control private, no-cache
set, X-Cache HIT: 200 {"state":"processing"}
  Retry-After missing, Cache-Control missing
decorated, X-Cache MISS: 202 {"state":"processing"}
decorated, X-Cache HIT: 202 {"state":"processing"}
END
