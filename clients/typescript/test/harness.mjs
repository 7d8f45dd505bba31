// The environment of the tests: real servers in their own processes, and a proxy between client and
// server whose connections a test can cut.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { connect, createServer } from 'node:net';

const patience = 30_000; // milliseconds; limits the wait for a condition, and decides nothing else

export const serviceKey = 'ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse';
export const webhookSecret = 'whsec_client_tests_client_tests';
const tokenSecret = 'a2Fzc2UtZGV2LWthc3NlLWRldi1rYXNzZS1kZXYta2Fzc2U='; // kasse-dev's own

/** Waits until look returns a true value, and returns that value. */
export async function until(what, look) {
  const end = Date.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) assert.fail(`${what}: not within ${patience / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts a program; `stop` ends it with SIGTERM. `printed` and `log` hold its output so far. */
export function start(program, args, env = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env } });
  process.once('exit', () => child.kill('SIGKILL')); // even if a test fails before it stops the program
  const run = {
    printed: '',
    log: '',
    ended: new Promise((resolve) => child.once('close', resolve)),
    gone: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => (child.kill('SIGTERM'), run.ended),
  };
  child.stdout.on('data', (text) => (run.printed += text));
  child.stderr.on('data', (text) => (run.log += text));
  return run;
}

/** Starts a kasse-dev on free ports. The members `kasse`, `stripe` and `control` are its addresses. */
export async function startDev(env = {}) {
  const names = ['addr', 'admin-addr', 'stripe-addr', 'control-addr', 'shop-addr', 'console-addr'];
  const addresses = names.flatMap((name) => [`-${name}`, ':0']);
  const run = start(process.env.KASSE_DEV, [...addresses, '-settle', '1000h'], env);
  await until('kasse-dev', () => run.printed.includes('Commands to paste') || run.gone());
  assert.ok(!run.gone(), run.log);
  for (const name of ['Kasse', 'Stripe', 'Control'])
    run[name.toLowerCase()] = new RegExp(`^${name} +(\\S+)`, 'm').exec(run.printed)[1];
  return run;
}

/** Starts the production server against a kasse-dev's Stripe, and waits until it is ready. */
export async function startServer({ port, redis, stripe }) {
  const run = start(process.env.KASSE, ['serve'], {
    LISTEN_ADDR: `127.0.0.1:${port}`,
    ADMIN_ADDR: '127.0.0.1:0',
    REDIS_URL: redis,
    REDIS_DURABILITY: 'off',
    DRAIN_DELAY: '2s',
    STRIPE_API_BASE: stripe,
    STRIPE_SECRET_KEY: 'sk_test_kasse_dev',
    STRIPE_PUBLISHABLE_KEY: 'pk_test_kasse_dev',
    STRIPE_WEBHOOK_SECRETS: webhookSecret,
    SERVICE_KEYS: `dev:${createHash('sha256').update(serviceKey).digest('hex')}:read+write+manage+events`,
  });
  await until(
    'kasse',
    () =>
      run.gone() ||
      fetch(`http://127.0.0.1:${port}/v1/config`).then(
        (answer) => answer.ok,
        () => false,
      ),
  );
  assert.ok(!run.gone(), run.log);
  return run;
}

export async function startRedis() {
  const port = await freePort();
  const run = start('redis-server', [
    '--port',
    String(port),
    '--save',
    '',
    '--appendonly',
    'no',
    '--bind',
    '127.0.0.1',
  ]);
  await until('redis-server', () => run.printed.includes('Ready to accept connections') || run.gone());
  assert.ok(!run.gone(), run.printed);
  return { ...run, url: `redis://127.0.0.1:${port}/0` };
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts a proxy between the client and a server: cut() ends every connection and refuses new ones,
 * mend() forwards them again.
 */
export async function line(to) {
  const { hostname, port } = new URL(to);
  const open = new Set();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => (open.delete(socket), near.destroy(), far.destroy()));
    }
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      whole = false;
      for (const socket of open) socket.destroy();
    },
    mend() {
      whole = true;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}

/** Confirms a payment as a customer does in the browser. */
export async function confirm(stripe, { payment_intent, client_secret }, method) {
  const answer = await fetch(`${stripe}/v1/payment_intents/${payment_intent}/confirm`, {
    method: 'POST',
    headers: { Authorization: 'Bearer pk_test_kasse_dev' },
    body: new URLSearchParams({ client_secret, payment_method: method, return_url: 'https://shop.example/thanks' }),
  });
  return answer.json();
}

/** Signs an order token, as a backend does that has the secret. `age` is in seconds: 600 is expired. */
export function signToken(claims, age = 0) {
  const iat = Math.floor(Date.now() / 1000) - age;
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', kid: 'dev' })}.${encode({ aud: 'kasse', iat, exp: iat + 600, ...claims })}`;
  return `${text}.${createHmac('sha256', Buffer.from(tokenSecret, 'base64')).update(text).digest('base64url')}`;
}

let orders = 0;
export const newOrder = () => `client:${process.pid}.${++orders}`; // with a colon, which a path may have to escape
