// Makes one payment with the generated client. The backend opens it, the customer pays at the simulated Stripe, and the
// page polls with the client secret until it is paid. Arguments: the addresses of Kasse and of Stripe.
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
  if (!data) throw new Error(`the create was answered with ${response.status} ${error.code}`);
  return data;
}

async function confirm(payment: string, secret: string) {
  const form = { client_secret: secret, payment_method: "pm_card_visa", return_url: "https://shop.example/thanks" };
  const answer = await fetch(`${stripe}/v1/payment_intents/${payment}/confirm`, {
    method: "POST",
    headers: { Authorization: "Bearer pk_test_kasse_dev" },
    body: new URLSearchParams(form),
  });
  if (!answer.ok) throw new Error(`Stripe answered with ${answer.status}`);
}

// Kasse delays each response but the first until a change, so sixty polls are far more than needed.
async function until(wanted: State, payment: string, secret: string) {
  const page = bearer(secret);
  let etag: string | null = null;
  let seen: State | undefined;
  for (let tries = 0; tries < 60 && seen !== wanted; tries++) {
    const header = etag ? { "If-None-Match": etag } : {};
    const poll: { data?: { state: State }; response: Response } = await page.GET("/v1/payments/{payment_intent}", {
      params: { path: { payment_intent: payment }, query: { wait: 1 }, header },
    });
    const { data, response } = poll;
    if (!data && response.status !== 304) throw new Error(`the poll was answered with ${response.status}`);
    seen = data?.state ?? seen;
    etag = response.headers.get("ETag");
  }
  if (seen !== wanted) throw new Error(`the payment is ${seen}, want ${wanted}`);
}

const opened = await open();
await confirm(opened.payment_intent, opened.client_secret);
await until("paid", opened.payment_intent, opened.client_secret);

// A problem document has its type, too.
const { error } = await bearer(key).GET("/v1/orders/{order_id}", { params: { path: { order_id: "unknown" } } });
if (error?.code !== "not_found") throw new Error(`an unknown order has the code ${error?.code}, want not_found`);

console.log(`ok  TypeScript: ${opened.payment_intent} is paid`);
