// A backend's endpoint for Kasse's events: it verifies, fulfils each order once, confirms debits as pending, and offers
// another try where one fails. Copy it, and put your shop's work where act says so.
//
// One invariant: the process that creates the file named after an order fulfils it. That is the unique key that the guide
// asks for; in a shop it is a row under a unique index on order_id, inserted in the transaction that books the shipment.
// It survives a restart, and does not care how often, how late or in which order events come.
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";

const data = process.env["DATA"] ?? "data";
const secret = process.env["WEBHOOK_SECRET"] ?? "";
if (!/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret)) {
  console.error("WEBHOOK_SECRET must be the whsec_ secret of this endpoint in EVENT_ENDPOINTS");
  process.exit(1);
}
const verifier = new Webhook(secret);

/** What Kasse pushes; members that are not used here are left out, and new ones may come. */
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

/** What the shop remembers of an order, beside whether it is fulfilled. */
interface Order {
  status: "" | "pending" | "try_again" | "paid";
  versions: Record<string, number>; // newest view seen, by payment
}

/** Does the shop's work. Unknown types are none of it. */
async function act(event: Event): Promise<void> {
  const id = event.data.order_id;
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(id)) {
    throw new Error("no order id");
  }
  switch (event.type) {
    case "order.paid": // after any other event; the version is not compared here
      await fulfil(event);
      return remember(event, (order) => {
        order.status = "paid";
      });
    case "order.processing":
      return remember(event, (order) => {
        order.status = "pending";
        console.log("confirm as pending", id);
      });
    case "order.failed":
      return remember(event, (order) => {
        if (order.status === "pending") { // it was confirmed, and the debit has failed days later
          order.status = "try_again";
          console.log("offer another try", id);
        }
      });
  }
}

/** Confirms and ships, once for an order: the second to link the name fails. */
async function fulfil(event: Event): Promise<void> {
  const { order_id: id, amount_received, currency } = event.data;
  const written = await write(JSON.stringify(event.data));
  try {
    await link(written, join(data, "fulfilled", id));
    console.log("confirm and fulfil", id, amount_received, currency);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error; // done before
  } finally {
    await unlink(written);
  }
}

let last: Promise<void> = Promise.resolve(); // of the changes to orders, which are made one after the other

/** Changes what is kept of an order, unless a newer view of the payment has been seen. */
function remember(event: Event, change: (order: Order) => void): Promise<void> {
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

/** Puts text into a new file, on disk before its name is given to anything. */
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

/** Reads, verifies and acts; the status is 2xx only when what the event asks for is on disk. */
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
    await act(event);
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
