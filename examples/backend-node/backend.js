// A shop's backend beside Kasse. It creates orders, mints order tokens, captures and refunds. It
// receives events from the feed and by push, and ships each paid order exactly once. Copy the parts
// that you need.
//
//   KASSE_URL       http://127.0.0.1:8080
//   KASSE_KEY       ksk_…, with the scopes read+write+manage+events
//   WEBHOOK_SECRET  whsec_…, as in Kasse's EVENT_ENDPOINTS
//   ADDR            127.0.0.1:8093, unless set
//   DATABASE        shop.db, unless set
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { serve } from "@hono/node-server";
import Database from "better-sqlite3";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { Webhook } from "standardwebhooks";
import { Kasse, Refused } from "./kasse.js";

const { KASSE_URL, KASSE_KEY, WEBHOOK_SECRET } = settings();
const kasse = new Kasse(KASSE_URL, KASSE_KEY);
const verifier = new Webhook(WEBHOOK_SECRET);
const db = openDatabase(process.env.DATABASE ?? "shop.db");

const products = { // euro cents; a price never comes from a browser
  kettle: { amount: 4200, currency: "eur" },
  bicycle: { amount: 129900, currency: "eur", capture_method: "manual" }, // captured when it is ready
};

/** Reads the environment, or exits with one message that lists every mistake and contains no value. */
function settings() {
  const wanted = {
    KASSE_URL: [/^https?:\/\/[^/?@]+\/?$/, "Kasse's address, such as http://127.0.0.1:8080"],
    KASSE_KEY: [/^ksk_[\w-]{32,}$/, "a service key from `kasse keygen`: ksk_…"],
    WEBHOOK_SECRET: [/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, "this endpoint's secret in EVENT_ENDPOINTS: whsec_…"],
  };
  const wrong = Object.entries(wanted).filter(([name, [shape]]) => !shape.test(process.env[name] ?? ""));
  if (wrong.length > 0) {
    console.error("backend: " + wrong.map(([name, [, what]]) => `set ${name} to ${what}`).join("\n"));
    process.exit(1);
  }
  return process.env;
}

function openDatabase(path) {
  try {
    const opened = new Database(path);
    opened.pragma("journal_mode = WAL");
    return opened.exec(readFileSync(new URL("schema.sql", import.meta.url), "utf8"));
  } catch (error) {
    return stop(`open DATABASE: ${error.message}`);
  }
}

const addShipment = db.prepare(`INSERT INTO shipments (order_id)
  SELECT id FROM orders WHERE id = ? ON CONFLICT DO NOTHING`);
const saveView = db.prepare(`INSERT INTO payments (id, order_id, version, state)
  VALUES (@payment_intent, @order_id, @version, @state)
  ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state
  WHERE excluded.version > payments.version`);
const saveCursor = db.prepare("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)");

/**
 * Applies one event within a transaction. Returns whether the order has to be shipped now.
 *
 * Only the unique key of shipments decides that. Neither the version nor a list of known event ids
 * can: the same event arrives by feed and by push, each may repeat it, and a retry may arrive after
 * newer events.
 */
function handle(type, { payment_intent, order_id, version, state }) {
  const ship = type === "order.paid" && addShipment.run(order_id).changes === 1;
  // superseded.… is about the order's other payments.
  if (type.startsWith("order.")) saveView.run({ payment_intent, order_id, version, state });
  return ship;
}

const commit = db.transaction((events, cursor) => {
  const ship = events.filter(({ type, data }) => handle(type, data)).map(({ data }) => data.order_id);
  if (cursor) saveCursor.run(cursor);
  return ship;
});

/** Applies events in one transaction, then ships. A real shop inserts a shipping job in the same transaction. */
function handleAll(events, cursor) {
  for (const order of commit(events, cursor)) console.log("ship", order);
}

/** Applies the events of the feed, beginning at the stored cursor. Rejects when Kasse refuses the key. */
async function followFeed() {
  let cursor = db.prepare("SELECT cursor FROM feed").pluck().get() ?? "";
  for (;;) {
    try {
      const page = await kasse.call("GET", `/v1/events?wait=25&after=${cursor}`, undefined, { tries: Infinity });
      handleAll(page.events, page.next);
      cursor = page.next;
      // A page without events comes at once from a server that shuts down. Without a pause the loop would send requests
      // without end.
      if (page.events.length === 0) await new Promise((resolve) => setTimeout(resolve, 500));
    } catch (error) {
      if (error.code !== "cursor_expired") throw error;
      console.error("feed: the cursor has expired, looking up all open orders");
      await lookUpOpenOrders();
      cursor = error.oldest;
    }
  }
}

/** Reads each unshipped order from Kasse, because some events may be gone. */
async function lookUpOpenOrders() {
  for (const id of db.prepare("SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM shipments)").pluck().all()) {
    const order = await kasse.call("GET", `/v1/orders/${id}`).catch((error) => {
      if (error.code !== "not_found") throw error; // its page has not opened a payment yet
    });
    const view = order?.payment;
    if (view) handleAll([{ type: view.fulfillable ? "order.paid" : "order.updated", data: view }]);
  }
}

/** An error answer to a caller of this backend. */
const refuse = (status, message) => new HTTPException(status, { message });

/** Returns an order of the database, or throws a 404. */
function find(id) {
  const order = db.prepare("SELECT id AS order_id, product, amount, currency FROM orders WHERE id = ?").get(id);
  if (!order) throw refuse(404, "the order does not exist");
  return order;
}

async function paymentOf(id) {
  const { payment } = await kasse.call("GET", `/v1/orders/${find(id).order_id}`);
  if (!payment) throw refuse(404, "nothing was paid for this order");
  return payment.payment_intent;
}

const readJSON = (c) => c.req.json().then((body) => body ?? {}, () => ({}));

// There is no login: add your own. The first three routes are for the order's customer; capture and
// refunds are for your staff. Kasse calls the last route, and signs its requests.
const app = new Hono();
app.use(bodyLimit({ maxSize: 64 * 1024 }));

app.post("/orders", async (c) => {
  const { product } = await readJSON(c);
  if (!Object.hasOwn(products, product)) throw refuse(400, 'send {"product": "kettle"} or {"product": "bicycle"}');
  const { amount, currency } = products[product];
  const order_id = "order-" + randomUUID();
  db.prepare("INSERT INTO orders (id, product, amount, currency) VALUES (?, ?, ?, ?)")
    .run(order_id, product, amount, currency);
  return c.json({ order_id, amount, currency }, 201);
});

app.get("/orders/:order", (c) => {
  const { order_id } = find(c.req.param("order"));
  const newest = db.prepare("SELECT state FROM payments WHERE order_id = ? ORDER BY version DESC LIMIT 1");
  const state = newest.pluck().get(order_id);
  const shipped = db.prepare("SELECT count(*) FROM shipments WHERE order_id = ?").pluck().get(order_id);
  return c.json({ order_id, state: state ?? "new", shipped });
});

// Returns a token with which the order's page opens its payment. The page requests another token
// when this one has expired.
app.post("/orders/:order/token", async (c) => {
  const { order_id, product, amount, currency } = find(c.req.param("order"));
  const terms = { ...products[product], order_id, amount, currency };
  return c.json(await kasse.call("POST", "/v1/order-tokens", terms), 201);
});

app.post("/orders/:order/capture", async (c) => {
  const { state } = await kasse.call("POST", `/v1/payments/${await paymentOf(c.req.param("order"))}/capture`, {});
  return c.json({ state });
});

// Refunds an amount in euro cents, or everything that is left. The caller chooses the refund's id, so
// that a double click makes one refund.
app.post("/orders/:order/refunds", async (c) => {
  const { refund_id, amount } = await readJSON(c);
  if (typeof refund_id !== "string" || !refund_id) throw refuse(400, 'send {"refund_id": "…", "amount": 1000}');
  const order = c.req.param("order");
  const path = `/v1/payments/${await paymentOf(order)}/refunds`;
  const { refund, payment } = await kasse.call("POST", path, { amount }, { idempotencyKey: `${order}/${refund_id}` });
  return c.json({ refund: refund.id, state: payment.state }, 201);
});

// Answers 2xx only after the transaction has committed. After any other answer Kasse pushes the
// event again.
app.post("/kasse/events", async (c) => {
  const body = await c.req.text(); // unchanged, because the signature is over the bytes
  let event;
  try {
    event = verifier.verify(body, c.req.header());
  } catch {
    throw refuse(401, "not signed by Kasse");
  }
  handleAll([event]);
  return c.body(null, 204);
});

app.onError((error, c) => {
  if (error instanceof HTTPException) return c.json({ error: error.message }, error.status);
  console.error(error);
  if (!(error instanceof Refused) || error.retryable) return c.json({ error: "try again" }, 503);
  return c.json({ error: error.detail, code: error.code }, error.code === "not_found" ? 404 : 409);
});

const [hostname, port] = (process.env.ADDR ?? "127.0.0.1:8093").split(":");
const server = serve({ fetch: app.fetch, hostname, port: Number(port) }, ({ address, port }) => {
  console.log(`listening on http://${address}:${port}`);
});
server.on("error", (error) => stop(`listen on ADDR: ${error.message}`));
followFeed().catch((error) => stop(`the feed was refused, check KASSE_URL and KASSE_KEY: ${error.message}`));

function stop(reason) {
  console.error("backend:", reason);
  process.exit(1);
}
