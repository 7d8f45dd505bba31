// A shop's backend beside Kasse. It makes orders, mints the tokens of their pages, captures and refunds, and ships each paid
// order once, however often and by whichever way it learns of the payment. Copy what you need.
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
const db = new Database(process.env.DATABASE ?? "shop.db");
db.pragma("journal_mode = WAL");
db.exec(readFileSync(new URL("schema.sql", import.meta.url), "utf8"));

const products = { // prices in cents of a euro; no price comes from a browser
  kettle: { amount: 4200, currency: "eur" },
  bicycle: { amount: 129900, currency: "eur", capture_method: "manual" }, // taken when it is ready
};

/** Reads the environment, or ends with one message that lists every mistake and shows no value. */
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

const addShipment = db.prepare("INSERT INTO shipments (order_id) SELECT id FROM orders WHERE id = ? ON CONFLICT DO NOTHING");
const saveView = db.prepare(`INSERT INTO payments (id, order_id, version, state) VALUES (@payment_intent, @order_id, @version, @state)
  ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state WHERE excluded.version > payments.version`);
const saveCursor = db.prepare("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)");

/**
 * Does the shop's work for one event, within a transaction. Returns whether the order is to be shipped now.
 *
 * Only the unique key of shipments decides that: not the version, and not whether the event was seen before. Events come
 * more than once, by the feed and pushed, and a retry may come after newer ones.
 */
function handle(type, { payment_intent, order_id, version, state }) {
  const ship = type === "order.paid" && addShipment.run(order_id).changes === 1;
  if (type.startsWith("order.")) saveView.run({ payment_intent, order_id, version, state }); // superseded.…: other payments
  return ship;
}

const commit = db.transaction((events, cursor) => {
  const ship = events.filter(({ type, data }) => handle(type, data)).map(({ data }) => data.order_id);
  if (cursor) saveCursor.run(cursor);
  return ship;
});

/** Handles events in one transaction, and then ships. A real shop inserts a job instead. */
function handleAll(events, cursor) {
  for (const order of commit(events, cursor)) console.log("ship", order);
}

/** Handles the feed from the stored cursor on, and ends where Kasse refuses the key. */
async function followFeed() {
  let cursor = db.prepare("SELECT cursor FROM feed").pluck().get() ?? "";
  for (;;) {
    try {
      const page = await kasse.call("GET", `/v1/events?wait=25&after=${cursor}`, undefined, { tries: Infinity });
      handleAll(page.events, page.next);
      cursor = page.next;
    } catch (error) {
      if (error.code !== "cursor_expired") throw error;
      console.error("the cursor has expired; all open orders are looked up");
      await lookUpOpenOrders();
      cursor = error.oldest;
    }
  }
}

/** Asks for each order that is not shipped, since the events of some are no longer kept. */
async function lookUpOpenOrders() {
  for (const id of db.prepare("SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM shipments)").pluck().all()) {
    const order = await kasse.call("GET", `/v1/orders/${id}`).catch((error) => {
      if (error.code !== "not_found") throw error; // nobody has begun to pay it
    });
    if (order?.payment) handleAll([{ type: order.payment.fulfillable ? "order.paid" : "order.updated", data: order.payment }]);
  }
}

/** Refuses a caller of this backend. */
const refuse = (status, message) => new HTTPException(status, { message });

/** Finds an order, or refuses. */
function find(id) {
  const order = db.prepare("SELECT id AS order_id, product, amount, currency FROM orders WHERE id = ?").get(id);
  if (!order) throw refuse(404, "there is no such order");
  return order;
}

async function paymentOf(id) {
  const { payment } = await kasse.call("GET", `/v1/orders/${find(id).order_id}`);
  if (!payment) throw refuse(404, "nothing was paid for this order");
  return payment.payment_intent;
}

const readJSON = (c) => c.req.json().then((body) => body ?? {}, () => ({}));

// Put your own login before these: the first three belong to the order's customer, capture and refunds to your staff.
const app = new Hono();
app.use(bodyLimit({ maxSize: 64 * 1024 }));

app.post("/orders", async (c) => {
  const { product } = await readJSON(c);
  if (!Object.hasOwn(products, product)) throw refuse(400, 'send {"product": "kettle"} or {"product": "bicycle"}');
  const { amount, currency } = products[product];
  const order_id = "order-" + randomUUID();
  db.prepare("INSERT INTO orders (id, product, amount, currency) VALUES (?, ?, ?, ?)").run(order_id, product, amount, currency);
  return c.json({ order_id, amount, currency }, 201);
});

app.get("/orders/:order", (c) => {
  const { order_id } = find(c.req.param("order"));
  const state = db.prepare("SELECT state FROM payments WHERE order_id = ? ORDER BY version DESC LIMIT 1").pluck().get(order_id);
  const shipped = db.prepare("SELECT count(*) FROM shipments WHERE order_id = ?").pluck().get(order_id);
  return c.json({ order_id, state: state ?? "new", shipped });
});

// What the order's page opens its payment with. It asks again when the token has expired.
app.post("/orders/:order/token", async (c) => {
  const { order_id, product, amount, currency } = find(c.req.param("order"));
  return c.json(await kasse.call("POST", "/v1/order-tokens", { ...products[product], order_id, amount, currency }), 201);
});

app.post("/orders/:order/capture", async (c) => {
  const { state } = await kasse.call("POST", `/v1/payments/${await paymentOf(c.req.param("order"))}/capture`, {});
  return c.json({ state });
});

// Gives back an amount, or all that is left. Whoever asks names the refund, so that a second click is no second one.
app.post("/orders/:order/refunds", async (c) => {
  const { refund_id, amount } = await readJSON(c);
  if (typeof refund_id !== "string" || !refund_id) {
    throw refuse(400, 'send {"refund_id": "…", "amount": 1000}; the same refund_id is the same refund');
  }
  const order = c.req.param("order");
  const path = `/v1/payments/${await paymentOf(order)}/refunds`;
  const { refund, payment } = await kasse.call("POST", path, { amount }, { idempotencyKey: `${order}/${refund_id}` });
  return c.json({ refund: refund.id, state: payment.state }, 201);
});

// Answers 2xx only when what the event asks for is in the database; with anything else it comes again.
app.post("/kasse/events", async (c) => {
  const body = await c.req.text(); // the bytes as they came, since they are signed
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
followFeed().catch((error) => stop(`the feed ends, is KASSE_KEY right? ${error.message}`));

function stop(reason) {
  console.error("backend:", reason);
  process.exit(1);
}
