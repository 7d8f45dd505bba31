// Generated from clients/typescript by make clients-ts. Do not edit.

// src/errors.ts
var KasseError = class extends Error {
  name = "KasseError";
  /** The kind of the error. Later versions of Kasse may add codes. */
  code;
  /** The HTTP status; 0 if no answer came. */
  status;
  /** True if the same request may succeed later. */
  retryable;
  /** Seconds to wait before the next try, if the answer names them. */
  retryAfter;
  /** The payment that prevents the request. */
  payment;
  /** With `cursor_expired`: the oldest cursor that is still valid. */
  oldest;
  /** The bank's reason, if Stripe returned one. */
  declineCode;
  /** The id of the request in Kasse's log. */
  requestId;
  /** The mistakes of the request, each with its position: a member, a parameter or a header. */
  details;
  constructor(problem, options = {}) {
    super(problem.detail ?? problem.title ?? problem.code, options);
    this.code = problem.code;
    this.status = problem.status ?? 0;
    this.retryable = problem.retryable ?? false;
    this.retryAfter = options.retryAfter;
    this.payment = problem.payment;
    this.oldest = problem.oldest;
    this.declineCode = problem.decline_code;
    this.requestId = problem.request_id;
    this.details = problem.errors ?? [];
  }
};
function isKasseError(error, ...codes) {
  return error instanceof KasseError && (codes.length === 0 || codes.includes(error.code));
}

// src/wait.ts
function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    globalThis.addEventListener?.("online", end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
async function untilVisible(signal) {
  while (globalThis.document?.hidden && !signal?.aborted) {
    await new Promise((resolve) => {
      const end = () => {
        document.removeEventListener("visibilitychange", end);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      document.addEventListener("visibilitychange", end);
      signal?.addEventListener("abort", end);
    });
  }
}
function throwIfAborted(signal) {
  if (signal?.aborted)
    throw signal.reason ?? Object.assign(new Error("The request was aborted."), { name: "AbortError" });
}
async function withDeadline(ms, outer, work) {
  throwIfAborted(outer);
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, ms);
  outer?.addEventListener("abort", abort);
  globalThis.addEventListener?.("offline", abort);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
    globalThis.removeEventListener?.("offline", abort);
  }
}
function backoff(failures, retryAfter) {
  return retryAfter !== void 0 ? retryAfter * 1e3 : Math.min(2 ** failures, 30) * 1e3 * (1 - Math.random() / 5);
}

// src/request.ts
function checkSettings({ baseUrl }, caller) {
  if (typeof baseUrl !== "string") throw new TypeError(`${caller} needs baseUrl, such as https://pay.shop.example`);
}
function path(parts, ...ids) {
  return String.raw(parts, ...ids.map(encodeURIComponent));
}
async function send(settings, call, credential) {
  const query = Object.entries(call.query ?? {}).flatMap(
    ([name, value]) => value === void 0 ? [] : `${name}=${encodeURIComponent(value)}`
  );
  const url = settings.baseUrl.replace(/\/+$/, "") + call.path + (query.length > 0 ? `?${query.join("&")}` : "");
  const init = {
    method: call.method,
    headers: {
      ...call.headers,
      ...call.body !== void 0 && { "Content-Type": "application/json" },
      Authorization: `Bearer ${credential}`
    },
    ...call.body !== void 0 && { body: JSON.stringify(call.body) },
    // Without no-store a browser adds its own If-None-Match, and Kasse holds the first answer, too. React
    // Native's fetch would add a query parameter, and older workerd refuses the option: neither needs it.
    ..."cache" in Request.prototype && { cache: "no-store" }
  };
  try {
    return await withDeadline(call.timeout ?? 3e4, call.signal, async (signal) => {
      const response = await (settings.fetch ?? globalThis.fetch)(url, { ...init, signal });
      const text = await response.text();
      return {
        status: response.status,
        etag: response.headers.get("ETag") ?? void 0,
        body: read(response, text)
      };
    });
  } catch (cause) {
    throwIfAborted(call.signal);
    if (cause instanceof KasseError) throw cause;
    const detail = `Kasse did not answer at ${settings.baseUrl}. In a browser, check CORS_ALLOWED_ORIGINS, too.`;
    throw new KasseError({ code: "unreachable", detail, retryable: true }, { cause });
  }
}
function read(response, text) {
  if (response.status === 304) return void 0;
  const { status } = response;
  const retryAfter = Number(response.headers.get("Retry-After")) || void 0;
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = void 0;
  }
  if (response.ok && body !== void 0) return body;
  if (!response.ok && typeof body?.code === "string")
    throw new KasseError(body, { retryAfter });
  const retryable = response.ok || status === 429 || status >= 500;
  const detail = `The answer with status ${status} is not from Kasse: check baseUrl and the proxies.`;
  throw new KasseError({ code: "unexpected_response", status, detail, retryable }, { retryAfter });
}
var longestPause = 1e4;
async function repeat(settings, signal, work) {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof KasseError && error.retryable && failures < (settings.maxRetries ?? 2);
      const delay = again ? backoff(failures, error.retryAfter) : Infinity;
      if (delay > longestPause) throw error;
      await pause(delay, signal);
      throwIfAborted(signal);
    }
  }
}

// src/follow.ts
var hold = 25;
var spare = 15e3;
var pauseUnchanged = 500;
async function* followPayment(read2, payment, { signal, onTrouble }) {
  let etag;
  let version = 0;
  let failures = 0;
  while (!signal?.aborted) {
    await untilVisible(signal);
    if (signal?.aborted) return;
    try {
      const {
        status,
        etag: tag,
        body
      } = await read2({
        method: "GET",
        path: path`/v1/payments/${payment}`,
        ...etag && { query: { wait: hold }, headers: { "If-None-Match": etag } },
        signal,
        timeout: hold * 1e3 + spare
      });
      if (failures > 0) onTrouble?.(void 0);
      failures = 0;
      if (status === 304 || body.version <= version) {
        await pause(pauseUnchanged, signal);
        continue;
      }
      [etag, version] = [tag, body.version];
      yield body;
      if (body.final) return;
    } catch (error) {
      if (signal?.aborted) return;
      if (!isTemporary(error)) throw error;
      onTrouble?.(error);
      await pause(backoff(failures++, isKasseError(error) ? error.retryAfter : void 0), signal);
    }
  }
}
function isTemporary(error) {
  return error?.retryable !== false;
}

// src/token.ts
function tokenSource(getToken) {
  let kept;
  let current;
  return {
    get() {
      kept ??= fetchToken().catch((error) => {
        kept = void 0;
        throw error;
      });
      return kept;
    },
    /** Removes an expired token from the cache, unless the cache has another one already. */
    drop(token) {
      if (token === current) kept = current = void 0;
    }
  };
  async function fetchToken() {
    if (!getToken)
      throw Object.assign(new TypeError("createKasse needs the option getToken for this call"), { retryable: false });
    return current = await getToken();
  }
}

// src/kasse.ts
function createKasse(options) {
  checkSettings(options, "createKasse");
  const tokens = tokenSource(options.getToken);
  let opening;
  async function withToken(call) {
    const token = await tokens.get();
    try {
      return await send(options, call, token);
    } catch (error) {
      if (!isKasseError(error, "token_expired")) throw error;
      tokens.drop(token);
      return send(options, call, await tokens.get());
    }
  }
  const ask = async (call) => (await repeat(options, call.signal, () => withToken(call))).body;
  return {
    open() {
      opening ??= ask({ method: "POST", path: "/v1/payments" }).finally(() => opening = void 0);
      return opening;
    },
    async refreshSession(payment, { signal } = {}) {
      return (await ask({ method: "POST", path: path`/v1/payments/${payment}/customer-session`, signal })).customer_session;
    },
    follow(payment, follow = {}) {
      const { clientSecret } = follow;
      const read2 = (call) => clientSecret ? send(options, call, clientSecret) : withToken(call);
      return followPayment(read2, payment, follow);
    },
    order: (id, { signal } = {}) => ask({ method: "GET", path: path`/v1/orders/${id}`, signal })
  };
}

// src/return.ts
function takeReturnedPayment() {
  const url = new URL(location.href);
  const [payment, clientSecret, status] = ["payment_intent", "payment_intent_client_secret", "redirect_status"].map(
    (name) => {
      const value = url.searchParams.get(name);
      url.searchParams.delete(name);
      return value;
    }
  );
  if (payment || clientSecret || status) history.replaceState(history.state, "", url);
  return payment && clientSecret ? { payment, clientSecret } : void 0;
}
export {
  KasseError,
  createKasse,
  isKasseError,
  takeReturnedPayment
};
