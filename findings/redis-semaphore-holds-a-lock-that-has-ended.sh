#!/bin/sh
# redis-semaphore reports a lock as acquired long after its timeout
#
# Guess (28 November, 50): if Redis cannot be reached for longer than `lockTimeout`, the package calls
#             `onLockLost`, and `isAcquired` becomes false.
# Behaviour:  neither happens while Redis cannot be reached. The package waits for the reply to its
#             refresh, and does not compare times. It calls `onLockLost` at the first reply of Redis.
# Versions:   redis-semaphore 5.8.0, ioredis 6.0.0 (npm), redis-server 7.0.15 (Debian).
# Matters:    another worker acquires the lock and captures the payment. The first worker checks
#             `isAcquired`, and captures it too.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages redis-semaphore@5.8.0 ioredis@6.0.0
cat >workers.mjs <<'END'
import { connect, createServer } from 'node:net';
import Redis from 'ioredis';
import { Mutex } from 'redis-semaphore';

// The first worker reaches Redis by a network that can be cut, the second one without it.
let cut = false;
const pairs = new Set();
const network = createServer((worker) => {
  if (cut) return worker.destroy();
  const redis = connect('./socket');
  for (const end of [worker, redis]) {
    pairs.add(end);
    end.on('error', () => {});
    end.on('close', () => [worker, redis].forEach((each) => each.destroy()));
  }
  worker.pipe(redis).pipe(worker);
});
await new Promise((resolve) => network.listen('./network', resolve));

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const lockTimeout = 1000;
let lost = false;
const first = new Redis(`${process.cwd()}/network`, { retryStrategy: () => 100, maxRetriesPerRequest: null });
first.on('error', () => {});
const onLockLost = () => (lost = true);
const one = new Mutex(first, 'capture', { lockTimeout, refreshInterval: 300, onLockLost });
const two = new Mutex(new Redis(`${process.cwd()}/socket`), 'capture', { lockTimeout: 60000 });
await one.acquire();
const show = (when) => console.log(`${when}: first ${one.isAcquired}, second ${two.isAcquired}, onLockLost ${lost}`);

show('before');
cut = true;
pairs.forEach((end) => end.destroy());
await two.acquire();
show('the lock has ended, the second worker has it');
await pause(3 * lockTimeout);
show('three timeouts later');
cut = false;
while (!lost) await pause(50);
show('the network is back');
process.exit();
END
node workers.mjs >seen
compare <<'END'
before: first true, second false, onLockLost false
the lock has ended, the second worker has it: first true, second true, onLockLost false
three timeouts later: first true, second true, onLockLost false
the network is back: first false, second true, onLockLost true
END
