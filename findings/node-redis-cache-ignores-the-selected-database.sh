#!/bin/sh
# node-redis answers from the cache of database 0 after it has selected database 1
#
# Guess (28 November, B39): with the client-side cache, `get` after `select(1)` returns the value of
#             database 1.
# Behaviour:  the cache is keyed by the command and its arguments, without the database, and `select`
#             does not clear it. A key that was read in database 0 keeps its value of database 0. The
#             invalidations of Redis name no database either.
# Versions:   redis 6.3.1 (npm), redis-server 7.0.15 (Debian).
# Matters:    a backend with a database for each shop, or for test and live mode, reads the order or
#             the key of the other one.

. "$(dirname "$0")/lib/start.sh"
redis_alone
npm_packages redis@6.3.1
cat >shops.mjs <<'END'
import { createClient } from 'redis';

const open = async (options) => {
  const client = createClient({ RESP: 3, socket: { path: 'socket' }, ...options });
  client.on('error', (error) => console.log(error.message));
  return client.connect();
};
const writer = await open();
await writer.set('stripe-account', 'acct_live');
await writer.select(1);
await writer.set('stripe-account', 'acct_test');

const cache = { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' };
const clients = { 'with the cache': { clientSideCache: cache }, 'without the cache': {} };
for (const [name, options] of Object.entries(clients)) {
  const client = await open(options);
  for (const database of [0, 1]) {
    await client.select(database);
    console.log(`${name}, database ${database}: ${await client.get('stripe-account')}`);
  }
}
process.exit();
END
node shops.mjs >seen
compare <<'END'
with the cache, database 0: acct_live
with the cache, database 1: acct_live
without the cache, database 0: acct_live
without the cache, database 1: acct_test
END
