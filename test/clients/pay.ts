// One payment with the generated client: the backend opens it, the customer pays at the simulated Stripe, and the page
// polls with the client secret until it is paid. Arguments: the addresses of Kasse and of Stripe.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/kasse.js";

type State = components["schemas"]["State"];

const key = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse";
const [kasse, stripe] = process.argv.slice(2);
if (!kasse || !stripe) throw new Error("usage: pay.js KASSE STRIPE");

function bearer(token: string) {
  return createClient<paths>({ baseUrl: kasse!, headers: { Authorization: `Bearer ${token}` } });
}

async function open() {
  const { data, error, response } = await bearer(key).POST("/v1/payments", {
    body: { order_id: `typescript-${process.pid}`, amount: 4200, currency: "eur" },
  });
  if (!data) throw new Error(`the create was answered ${response.status} ${error.code}`);
  return data;
}

async function confirm(payment: string, secret: string) {
  const answer = await fetch(`${stripe}/v1/payment_intents/${payment}/confirm`, {
    method: "POST",
    headers: { Authorization: "Bearer pk_test_kasse_dev" },
    body: new URLSearchParams({ client_secret: secret, payment_method: "pm_card_visa", return_url: "https://shop.example/thanks" }),
  });
  if (!answer.ok) throw new Error(`Stripe answered ${answer.status}`);
}

// Every answer but the first is held until something has changed, so that sixty of them are far more than are needed.
async function until(wanted: State, payment: string, secret: string) {
  const page = bearer(secret);
  let etag: string | null = null;
  let seen: State | undefined;
  for (let tries = 0; tries < 60 && seen !== wanted; tries++) {
    const { data, response }: { data?: { state: State }; response: Response } = await page.GET("/v1/payments/{payment_intent}", {
      params: { path: { payment_intent: payment }, query: { wait: 1 }, header: etag ? { "If-None-Match": etag } : {} },
    });
    if (!data && response.status !== 304) throw new Error(`the poll was answered ${response.status}`);
    seen = data?.state ?? seen;
    etag = response.headers.get("ETag");
  }
  if (seen !== wanted) throw new Error(`the payment is ${seen}, not ${wanted}`);
}

const opened = await open();
await confirm(opened.payment_intent, opened.client_secret);
await until("paid", opened.payment_intent, opened.client_secret);

// A refusal has its type, too.
const { error } = await bearer(key).GET("/v1/orders/{order_id}", { params: { path: { order_id: "nobody" } } });
if (error?.code !== "not_found") throw new Error(`an unknown order is ${error?.code}`);

console.log(`ok  TypeScript: ${opened.payment_intent} is paid`);
