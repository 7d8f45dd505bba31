// Kasse, as a page uses it. The page holds an order token, which its own backend has got for this one order, or the client secret that
// Stripe has sent it back with. It never holds a service key, and never says what is to be paid.

/** An error that Kasse has answered: a problem document. Decide by its code. */
export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.title ?? `HTTP ${status}`);
    this.code = document.code ?? 'internal';
    this.retryable = document.retryable ?? status >= 500;
    this.retryAfter = retryAfter; // seconds
    this.payment = document.payment; // the payment that stands in the way, where one does
  }
}

export class Kasse {
  #base;
  #fetchToken;
  #token;
  #opening;

  /** fetchToken asks the shop's backend for an order token: the first time, and when one has expired. */
  constructor(base, fetchToken) {
    this.#base = base;
    this.#fetchToken = fetchToken;
  }

  /**
   * Opens the order's payment, or gets the one that is open, with the secrets that Stripe.js needs. However often it is called, the order
   * has one payment. Two calls at once share one request, as when a framework runs its effects twice.
   */
  open() {
    this.#opening ??= this.#askJSON('POST', '/v1/payments').finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** Gets another customer session for the same payment: its secret works once, and not for long. */
  async refreshSession(payment) {
    return (await this.#askJSON('POST', `/v1/payments/${payment}/customer-session`)).customer_session;
  }

  /** Gets the order and its payment. */
  order(id) {
    return this.#askJSON('GET', `/v1/orders/${id}`);
  }

  /**
   * Yields the payment's status now, and again whenever it changes, until it is final. Kasse holds each answer until there is news, so this
   * asks seldom and hears at once. trouble(true) says that nothing can be heard at the moment; it goes on trying.
   */
  async *follow(payment, { secret, signal, trouble = () => {} }) {
    let etag;
    for (let failures = 0; !signal.aborted; ) {
      const call = new AbortController();
      const limit = AbortSignal.any([signal, call.signal, AbortSignal.timeout(40_000)]); // a dead connection may hang for longer
      addEventListener('offline', () => call.abort(), { signal: limit });
      try {
        await untilVisible(signal);
        const headers = etag ? { 'If-None-Match': etag } : {};
        const response = await this.#ask('GET', `/v1/payments/${payment}?wait=25`, { secret, headers, signal: limit });
        failures = 0;
        trouble(false);
        if (response.status === 304) continue;
        etag = response.headers.get('ETag');
        const status = await response.json();
        yield status;
        if (status.final) return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem && !error.retryable) throw error;
        trouble(true);
        await pause(error.retryAfter ?? Math.min(2 ** failures++, 30), signal);
      } finally {
        call.abort();
      }
    }
  }

  async #askJSON(method, path) {
    return (await this.#ask(method, path)).json();
  }

  async #ask(method, path, { secret, signal, headers } = {}) {
    for (let renewed = false; ; renewed = true) {
      const credential = secret ?? (this.#token ??= await this.#fetchToken());
      const response = await fetch(this.#base + path, {
        method,
        signal,
        headers: { ...headers, Authorization: `Bearer ${credential}` }, // never in the URL, which servers and proxies log
        cache: 'no-store', // or the browser adds an If-None-Match of its own, and the first answer is held too
      });
      if (response.ok || response.status === 304) return response;
      const after = Number(response.headers.get('Retry-After')) || undefined;
      const problem = new Problem(response.status, await response.json().catch(() => ({})), after);
      if (problem.code !== 'token_expired' || renewed) throw problem;
      this.#token = undefined;
    }
  }
}

/** Waits so many seconds, less where the browser is online again or the page has gone on. */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    const wake = () => (clearTimeout(timer), resolve());
    addEventListener('online', wake, { once: true, signal });
    signal.addEventListener('abort', wake, { once: true });
  });
}

/** Waits while nobody looks: a debit takes days, and a hidden tab need not ask. */
async function untilVisible(signal) {
  while (document.hidden && !signal.aborted) {
    await new Promise((resolve) => {
      document.addEventListener('visibilitychange', resolve, { once: true });
      signal.addEventListener('abort', resolve, { once: true });
    });
  }
}
