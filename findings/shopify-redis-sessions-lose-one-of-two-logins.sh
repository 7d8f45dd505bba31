#!/bin/sh
# Shopify's session storage for Redis loses one of two sessions that are stored at the same time
#
# Guess (28 November, B42): two sessions of one shop are stored at the same time, and
#             findSessionsByShop returns both.
# Behaviour:  storeSession reads the shop's list of sessions, appends the new one, and writes the
#             list. Nothing makes the three steps one, so the second write removes the session of the
#             first. loadSession still returns it, findSessionsByShop does not.
# Versions:   @shopify/shopify-app-session-storage-redis 8.0.0, @shopify/shopify-api 15.0.0 (npm),
#             redis-server 7.0.15 (Debian).
# Matters:    two employees of a shop open a payments app. When the shop uninstalls it, the app
#             deletes the sessions that it finds, and keeps the access token of the other one.

. "$(dirname "$0")/lib/start.sh"
need redis-server redis-cli
port=$((20000 + $$ % 9000))
until start_redis "-p $port" --port $port --bind 127.0.0.1; do port=$((port + 1)); done
export port
npm_packages @shopify/shopify-app-session-storage-redis@8.0.0 @shopify/shopify-app-session-storage@7.0.0 \
	@shopify/shopify-api@15.0.0
cat >app.mjs <<'END'
import { Session } from '@shopify/shopify-api';
import { RedisSessionStorage } from '@shopify/shopify-app-session-storage-redis';

const storage = new RedisSessionStorage(`redis://127.0.0.1:${process.env.port}`);
await storage.ready;

for (const [order, store] of Object.entries({
  'one after the other': async (sessions) => {
    for (const session of sessions) await storage.storeSession(session);
  },
  'at the same time': (sessions) => Promise.all(sessions.map((session) => storage.storeSession(session))),
})) {
  const shop = `${order.replaceAll(' ', '-')}.myshopify.com`;
  const ids = ['ada', 'ben'].map((employee) => `${shop}_${employee}`);
  const named = (list) => list.map((session) => session.id.split('_')[1]).sort().join(' and ') || 'none';
  await store(ids.map((id) => new Session({ id, shop, state: '', isOnline: true, accessToken: 'token' })));
  const found = await storage.findSessionsByShop(shop);
  await storage.deleteSessions(found.map((session) => session.id));
  const left = (await Promise.all(ids.map((id) => storage.loadSession(id)))).filter(Boolean);
  console.log(`${order}: found ${named(found)}; left after the deletion of those: ${named(left)}`);
}
process.exit();
END
node app.mjs >seen
compare <<'END'
one after the other: found ada and ben; left after the deletion of those: none
at the same time: found ben; left after the deletion of those: ada
END
