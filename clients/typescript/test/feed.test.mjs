// The pauses of the feed, against a server with scripted answers.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { createKasseServer } from '@kasse/client/server';
import { serviceKey } from './harness.mjs';

test('pauses after an empty page, also where its cursor has moved', async (t) => {
  const pages = [
    [['a'], 'k1'],
    [[], 'k2'], // the filter left out events
    [[], 'k3'],
    [[], 'k3'], // a server that is draining
    [['b'], 'k4'],
  ];
  const asked = [];
  const pauses = []; // milliseconds between the end of an answer and the next request
  let answered;
  const server = createServer((request, response) => {
    asked.push(new URL(request.url, 'http://kasse').searchParams.get('after'));
    if (answered !== undefined) pauses.push(performance.now() - answered);
    const [ids, next] = pages[asked.length - 1];
    answered = performance.now();
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ events: ids.map((id) => ({ id })), next }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));

  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const seen = [];
  for await (const { events, cursor } of createKasseServer({ baseUrl, serviceKey }).events({ after: 'k0' })) {
    seen.push([events.map(({ id }) => id), cursor]);
    if (cursor === 'k4') break;
  }
  assert.deepEqual(seen, [pages[0], pages[1], pages[2], pages[4]]);
  assert.deepEqual(asked, ['k0', 'k1', 'k2', 'k3', 'k3']);
  for (const pause of pauses.slice(1)) assert.ok(pause > 400, `pauses of ${pauses} ms`);
});
