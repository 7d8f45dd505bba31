// A backend's endpoint for the events that Kasse pushes. It verifies them, fulfils each paid order once, confirms
// debits as pending, and offers another try when a debit fails. Copy it, and put your shop's work into handle.
//
//   WEBHOOK_SECRET  whsec_…, as in Kasse's EVENT_ENDPOINTS
//   ADDR            127.0.0.1:8094, unless set
//   DATA            the folder with the shop's files: data, unless set
//
// One rule makes fulfilment happen once: only the process that creates the file named after an order fulfils it. In a
// shop this is a row with a unique index on order_id, inserted in the transaction that books the shipment. The rule
// holds after a restart, and for events that arrive more than once, late, or in another order. See docs/events.md.
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";

const data = process.env["DATA"] ?? "data";
const secret = process.env["WEBHOOK_SECRET"] ?? "";
if (!/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret)) {
  console.error("WEBHOOK_SECRET must be this endpoint's secret in Kasse's EVENT_ENDPOINTS: whsec_…");
  process.exit(1);
}
const verifier = new Webhook(secret);

/** A pushed event, with the members that are used here. Later versions of Kasse may add members. */
interface Event {
  type: string;
  data: {
    payment_intent: string;
    order_id: string;
    amount_received: number;
    currency: string;
    version: number;
    metadata: Record<string, string>;
  };
}

/** The shop's record of an order. The folder "fulfilled" holds the orders that were shipped. */
interface Order {
  status: "" | "pending" | "try_again" | "paid";
  versions: Record<string, number>; // version of the newest view, by payment
}

/** Does the shop's work. It ignores all other types. */
async function handle(event: Event): Promise<void> {
  const id = event.data.order_id;
  // An id names a file here, so other text could reach another folder.
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(id)) {
    throw new Error("the event has no valid order id");
  }
  switch (event.type) {
    case "order.paid": // of any version: the unique key makes fulfilment happen once
      await fulfil(event);
      return update(event, (order) => {
        order.status = "paid";
      });
    case "order.processing":
      return update(event, (order) => {
        order.status = "pending";
        console.log("confirm as pending", id);
      });
    case "order.failed":
      return update(event, (order) => {
        if (order.status === "pending") { // the shop has confirmed it, and the debit has failed days later
          order.status = "try_again";
          console.log("offer another try", id);
        }
      });
  }
}

/** Confirms and ships an order once: a second link with the same name fails. */
async function fulfil(event: Event): Promise<void> {
  const { order_id: id, amount_received, currency } = event.data;
  const written = await write(JSON.stringify(event.data));
  try {
    await link(written, join(data, "fulfilled", id));
    console.log("confirm and fulfil", id, amount_received, currency);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error; // EEXIST: fulfilled before
  } finally {
    await unlink(written);
  }
}

let last: Promise<void> = Promise.resolve(); // the last update: updates run one after another

/** Changes the record of an order, unless a newer view of the payment was applied before. */
function update(event: Event, change: (order: Order) => void): Promise<void> {
  const next = last.then(async () => {
    const { order_id: id, payment_intent: payment, version } = event.data;
    const path = join(data, "orders", id);
    const order = await load(path);
    if (version <= (order.versions[payment] ?? 0)) return;
    order.versions[payment] = version;
    change(order);
    await rename(await write(JSON.stringify(order)), path);
  });
  last = next.catch(() => undefined);
  return next;
}

async function load(path: string): Promise<Order> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Order;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return { status: "", versions: {} };
    throw error;
  }
}

/** Writes text to a new file and syncs it to disk. Returns the file's name; the caller gives it the final one. */
async function write(text: string): Promise<string> {
  const name = join(data, "new-" + randomUUID());
  const file = await open(name, "wx");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return name;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/**
 * Reads, verifies and handles an event. Returns the status of the answer. It is 2xx only after the event's effect is on
 * disk: after any other answer Kasse pushes the event again.
 */
async function receive(request: IncomingMessage): Promise<number> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if ((size += chunk.length) > 64 * 1024) return 413;
    chunks.push(chunk);
  }
  let event: Event;
  try {
    event = verifier.verify(Buffer.concat(chunks).toString("utf8"), request.headers as Record<string, string>) as Event;
  } catch {
    return 401;
  }
  try {
    await handle(event);
    return 204;
  } catch (error) {
    console.error(error);
    return 500;
  }
}

await mkdir(join(data, "fulfilled"), { recursive: true });
await mkdir(join(data, "orders"), { recursive: true });

const server = createServer((request, response) => {
  void receive(request).then(
    (status) => response.writeHead(status).end(),
    () => response.destroy(),
  );
});
const [host, port] = (process.env["ADDR"] ?? "127.0.0.1:8094").split(":");
server.listen(Number(port), host, () => {
  const address = server.address();
  if (address !== null && typeof address !== "string") {
    console.log(`listening on http://${address.address}:${address.port}`);
  }
});
