// A backend lists orders: page by page, and all of them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isKasseError } from '@kasse/client';
import { createKasseServer } from '@kasse/client/server';
import { confirm, newOrder, serviceKey, startDev, until } from './harness.mjs';

describe('the list of orders', () => {
  let dev, kasse, customer, ids;
  const requests = [];
  before(async () => {
    dev = await startDev();
    kasse = createKasseServer({
      baseUrl: dev.kasse,
      serviceKey,
      fetch: (url, init) => (requests.push(url), fetch(url, init)),
    });
    const answer = await fetch(`${dev.stripe}/v1/customers`, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk_test_kasse_dev' },
    });
    customer = (await answer.json()).id;
    ids = [];
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5)); // orders of one millisecond are in the order of their ids
      const of = i === 2 ? {} : { customer }; // the third is a guest's
      const opened = await kasse.create({ order_id: newOrder(), amount: 4200, currency: 'eur', ...of });
      ids.unshift(opened.order_id);
      if (i > 0) continue;
      await confirm(dev.stripe, opened, 'pm_card_visa');
      await until('paid', async () => (await kasse.payment(opened.payment_intent)).state === 'paid');
    }
  });
  after(() => dev.stop());

  async function collect(query) {
    requests.length = 0;
    const seen = [];
    for await (const { order_id } of kasse.orders(query)) seen.push(order_id);
    return seen;
  }

  test('a page has the cursor of the next one, and the last page has none', async () => {
    const first = await kasse.listOrders({ limit: 3 });
    assert.deepEqual(
      first.orders.map(({ order_id }) => order_id),
      ids.slice(0, 3),
    );
    const rest = await kasse.listOrders({ limit: 3, after: first.next });
    assert.deepEqual(
      rest.orders.map(({ order_id, closed, payment }) => [order_id, closed, payment.state]),
      [
        [ids[3], false, 'pending'],
        [ids[4], false, 'paid'],
      ],
    );
    assert.equal(rest.next, null);
  });

  test('the iterator reads all pages, and requests only those that are needed', async () => {
    assert.deepEqual(await collect({ limit: 2 }), ids);
    assert.ok(requests.length >= 3, `${requests.length} requests`);
    requests.length = 0;
    for await (const { order_id } of kasse.orders({ limit: 2 })) {
      assert.equal(order_id, ids[0]);
      break;
    }
    assert.equal(requests.length, 1);
    const { next } = await kasse.listOrders({ limit: 2 });
    assert.deepEqual(await collect({ limit: 2, after: next }), ids.slice(2));
  });

  test('finds by customer, state and age', async () => {
    assert.deepEqual(
      await collect({ customer, limit: 1 }),
      ids.filter((_, at) => at !== 2),
    );
    assert.deepEqual(await collect({ state: 'paid' }), [ids[4]]);
    assert.deepEqual(await collect({ createdAfter: new Date(Date.now() - 3_600_000) }), ids);
    assert.deepEqual(await collect({ createdAfter: new Date(Date.now() + 3_600_000).toISOString() }), []);
  });

  test('throws a refusal, and an abort', async () => {
    const refused = (error) => isKasseError(error, 'invalid_request') && error.details.length > 0;
    await assert.rejects(collect({ limit: 0 }), refused);
    await assert.rejects(kasse.listOrders({ state: 'payed' }), refused);
    const stop = new AbortController();
    await assert.rejects(
      async () => {
        for await (const _ of kasse.orders({ limit: 1 }, { signal: stop.signal })) stop.abort();
      },
      { name: 'AbortError' },
    );
  });
});
