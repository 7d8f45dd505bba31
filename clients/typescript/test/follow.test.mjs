// Following a payment over bad networks, past rate limits, and while servers stop and start.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createKasse, isKasseError } from '@kasse/client';
import { createKasseServer } from '@kasse/client/server';
import {
  confirm,
  freePort,
  line,
  newOrder,
  serviceKey,
  startDev,
  startRedis,
  startServer,
  until,
  webhookSecret,
} from './harness.mjs';

/** Follows in the background, and records each change of the state. Other fields may change in between. */
function watch(baseUrl, { payment_intent, client_secret: clientSecret }, options = {}) {
  const seen = { states: [], troubles: [], requests: 0 };
  const kasse = createKasse({ baseUrl, fetch: (url, init) => (seen.requests++, fetch(url, init)) });
  const following = kasse.follow(payment_intent, {
    clientSecret,
    onTrouble: (error) => seen.troubles.push(error?.code),
    ...options,
  });
  seen.end = (async () => {
    for await (const { state } of following) if (state !== seen.states.at(-1)) seen.states.push(state);
  })();
  return seen;
}

const open = (kasse) =>
  createKasseServer({ baseUrl: kasse, serviceKey }).create({ order_id: newOrder(), amount: 4200, currency: 'eur' });

describe('on a bad network', () => {
  let dev;
  before(async () => (dev = await startDev()));
  after(() => dev.stop());

  test('it continues after a lost connection, and misses no state', async (t) => {
    const opened = await open(dev.kasse);
    const network = await line(dev.kasse);
    t.after(() => network.close());
    const seen = watch(network.url, opened);
    await until('the held request', () => seen.requests === 2);
    network.cut();
    await until('trouble', () => seen.troubles.length > 0);
    await confirm(dev.stripe, opened, 'pm_card_visa');
    network.mend();
    await seen.end;
    assert.deepEqual(seen.states, ['pending', 'paid']);
    assert.equal(seen.troubles[0], 'unreachable');
    assert.equal(seen.troubles.at(-1), undefined);
  });

  test('an abort ends it at once, and without an error', async () => {
    const opened = await open(dev.kasse);
    const stop = new AbortController();
    const seen = watch(dev.kasse, opened, { signal: stop.signal });
    await until('the held request', () => seen.requests === 2);
    stop.abort();
    await seen.end;
    assert.deepEqual([seen.states, seen.troubles], [['pending'], []]);
  });

  test('an abort while it waits for the next try ends it, too', async () => {
    const stop = new AbortController();
    const seen = watch(
      'http://127.0.0.1:1',
      { payment_intent: 'pi_1', client_secret: 'pi_1_secret_1' },
      { signal: stop.signal },
    );
    await until('trouble', () => seen.troubles.length > 0);
    stop.abort();
    await seen.end;
    assert.deepEqual(seen.states, []);
  });
});

describe('past a rate limit', () => {
  let dev;
  before(async () => (dev = await startDev({ RATE_LIMIT_FRONTEND: '1/s' })));
  after(() => dev.stop());

  test('it honours Retry-After', async () => {
    const opened = await open(dev.kasse);
    const seen = watch(dev.kasse, opened);
    const other = createKasse({ baseUrl: dev.kasse, maxRetries: 0 }).follow(opened.payment_intent, {
      clientSecret: opened.client_secret,
    });
    await other.next().catch(() => {}); // another tab of the same customer uses the limit up
    await until('a refusal', () => seen.troubles.includes('rate_limited'));
    await confirm(dev.stripe, opened, 'pm_card_visa');
    await seen.end;
    assert.equal(seen.states.at(-1), 'paid');
  });

  test('other calls wait and repeat, or throw with retryAfter', async () => {
    const order = { order_id: newOrder(), amount: 4200, currency: 'eur' };
    const backend = createKasseServer({ baseUrl: dev.kasse, serviceKey });
    await backend.create(order);
    const { token } = await backend.orderToken(order);
    const read = (options) =>
      createKasse({ baseUrl: dev.kasse, getToken: () => token, ...options }).order(order.order_id);
    const answers = await Promise.all([1, 2, 3].map(() => read({ maxRetries: 0 }).catch((error) => error)));
    const refusals = answers.filter((error) => isKasseError(error, 'rate_limited'));
    assert.ok(
      refusals.length > 0 && refusals.every((error) => error.retryable && error.retryAfter >= 1),
      String(answers),
    );
    assert.equal((await read()).order_id, order.order_id);
  });
});

describe('while servers stop and start', () => {
  let dev, redis, server, port;
  before(async () => {
    [dev, redis, port] = await Promise.all([startDev(), startRedis(), freePort()]);
    const webhook = JSON.stringify({ url: `http://127.0.0.1:${port}/webhooks/stripe`, secret: webhookSecret });
    await fetch(`${dev.control}/webhooks`, {
      method: 'POST',
      body: webhook,
      headers: { 'Content-Type': 'application/json' },
    });
    server = await startServer({ port, redis: redis.url, stripe: dev.stripe });
  });
  after(() => Promise.all([server, redis, dev].map((run) => run?.stop())));

  test('it sends few requests to a server that drains, and continues with the next server', async () => {
    const kasse = `http://127.0.0.1:${port}`;
    const opened = await open(kasse);
    const seen = watch(kasse, opened);
    await until('the held request', () => seen.requests === 2);
    await server.stop(); // it answers the held request at once, and all others for two seconds more
    assert.ok(seen.requests > 2, 'the draining server was asked again');
    assert.ok(seen.requests < 12, `${seen.requests} requests while it drained`);
    await until('trouble', () => seen.troubles.includes('unreachable'));
    server = await startServer({ port, redis: redis.url, stripe: dev.stripe });
    await confirm(dev.stripe, opened, 'pm_card_visa');
    await seen.end;
    assert.deepEqual(seen.states, ['pending', 'paid']);
  });
});
