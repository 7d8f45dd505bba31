#!/bin/sh
# socket.io's adapter for Redis streams loses the events of a disconnection before its first event
#
# Guess (28 November, 60): an event that is sent while a process has no connection to Redis arrives when
#             the process has a connection again. The documentation promises it.
# Behaviour:  this is true for a process that has received an event before. Until its first event, a
#             process starts each read at "$", the end of the stream. So it skips the events that were
#             added in between.
# Versions:   @socket.io/redis-streams-adapter 0.3.1, socket.io 4.8.4, socket.io-client 4.8.4,
#             redis 5.12.1 (npm), redis-server 7.0.15 (Debian).
# Matters:    a page waits for `paid` at a process that has just started, as after each deployment.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages @socket.io/redis-streams-adapter@0.3.1 socket.io@4.8.4 socket.io-client@4.8.4 redis@5.12.1
cat >pages.mjs <<'END'
import { createServer } from 'node:http';
import { connect, createServer as listen } from 'node:net';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';

// The pages' process reaches Redis by a network that can be cut, the sender without it.
let cut = false;
const pairs = new Set();
const network = listen((process) => {
  if (cut) return process.destroy();
  const redis = connect('./socket');
  for (const end of [process, redis]) {
    pairs.add(end);
    end.on('error', () => {});
    end.on('close', () => [process, redis].forEach((each) => each.destroy()));
  }
  process.pipe(redis).pipe(process);
});
await new Promise((resolve) => network.listen('./network', resolve));

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const begin = async (path, streamName) => {
  const client = createClient({ socket: { path, reconnectStrategy: 50 } });
  client.on('error', () => {});
  await client.connect();
  const http = createServer();
  const server = new Server(http, { adapter: createAdapter(client, { streamName }) });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { server, client, url: `http://127.0.0.1:${http.address().port}` };
};

const story = async (name, before) => {
  const { url } = await begin('./network', name);
  const { server: sender, client } = await begin('./socket', name);
  const page = io(url);
  const got = [];
  page.on('paid', (order) => got.push(order));
  await new Promise((resolve) => page.on('connect', resolve));
  // An order is sent until it arrives, since the process may not read the stream yet.
  const deliver = async (order) => {
    while (!got.includes(order)) {
      sender.emit('paid', order);
      await pause(500);
    }
  };
  for (const order of before) await deliver(order);
  cut = true;
  pairs.forEach((end) => end.destroy());
  const length = await client.xLen(name);
  sender.emit('paid', 'order 1');
  while ((await client.xLen(name)) === length) await pause(50);
  cut = false;
  await deliver('order 2');
  console.log(`${name}: order 1 ${got.includes('order 1') ? 'arrives' : 'is lost'}, order 2 arrives`);
};

await story('after an event', ['order 0']);
await story('before the first event', []);
process.exit();
END
node pages.mjs >seen
compare <<'END'
after an event: order 1 arrives, order 2 arrives
before the first event: order 1 is lost, order 2 arrives
END
