#!/bin/sh
# the caches of node-redis and valkey-glide answer with the values of another database
#
# Guesses (28 November, B39, B58): after `select(1)`, `get` returns the value of database 1. Two
#             clients of valkey-glide that share a cache get the values of their own databases.
# Behaviour:  the caches are keyed by the command or the key, without the database, and `select` does
#             not clear them. So a key that was read in database 0 keeps its value of database 0.
# Versions:   redis 6.3.1, @valkey/valkey-glide 2.5.2 (npm), redis-server 7.0.15 (Debian).
# Matters:    a backend with a database for each shop, or for test and live mode, reads the account
#             or the order of the other one.

. "$(dirname "$0")/lib/start.sh"
need redis-server redis-cli
port=$((20000 + $$ % 9000))
until start_redis "-p $port" --port $port --bind 127.0.0.1; do port=$((port + 1)); done
export port
npm_packages redis@6.3.1 @valkey/valkey-glide@2.5.2
cat >shops.mjs <<'END'
import { ClientSideCache, GlideClient, ProtocolVersion } from '@valkey/valkey-glide';
import { createClient } from 'redis';

const port = Number(process.env.port);
const node = async (options) => {
  const client = createClient({ RESP: 3, socket: { port }, ...options });
  client.on('error', (error) => console.log(error.message));
  return client.connect();
};
const addresses = [{ host: '127.0.0.1', port }];
const glide = (options) => GlideClient.createClient({ addresses, protocol: ProtocolVersion.RESP3, ...options });
const glideCache = () => ClientSideCache.create(1024, 0, { serverAssisted: true });

const writer = await node();
await writer.set('stripe-account', 'acct_live');
await writer.select(1);
await writer.set('stripe-account', 'acct_test');

async function show(name, client) {
  for (const database of [0, 1]) {
    await client.select(database);
    console.log(`${name}, database ${database}: ${await client.get('stripe-account')}`);
  }
}
await show('node-redis', await node());
await show('node-redis with its cache', await node({ clientSideCache: {} }));
await show('valkey-glide', await glide());
await show('valkey-glide with its cache', await glide({ clientSideCache: glideCache() }));
const clientSideCache = glideCache();
for (const databaseId of [0, 1]) {
  const client = await glide({ databaseId, clientSideCache });
  console.log(`valkey-glide with a shared cache, database ${databaseId}: ${await client.get('stripe-account')}`);
}
process.exit();
END
node shops.mjs >seen
compare <<'END'
node-redis, database 0: acct_live
node-redis, database 1: acct_test
node-redis with its cache, database 0: acct_live
node-redis with its cache, database 1: acct_live
valkey-glide, database 0: acct_live
valkey-glide, database 1: acct_test
valkey-glide with its cache, database 0: acct_live
valkey-glide with its cache, database 1: acct_live
valkey-glide with a shared cache, database 0: acct_live
valkey-glide with a shared cache, database 1: acct_live
END
