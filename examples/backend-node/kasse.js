// Calls Kasse. clients/typescript has the same as a package for backends: @kasse/client/server.

/** An unsuccessful response. Decide by code; detail is for developers. Without a code it is not Kasse's. */
export class Refused extends Error {
  constructor(status, problem) {
    super(
      problem.code
        ? `${problem.code} (${status}): ${problem.detail} [request ${problem.request_id}]`
        : `status ${status}, and the response is not from Kasse: check KASSE_URL and the proxies`,
    );
    this.status = status;
    this.code = problem.code ?? "";
    this.detail = problem.detail ?? "the response is not from Kasse";
    this.retryable = problem.retryable ?? (status === 429 || status >= 500);
    this.oldest = problem.oldest;
  }
}

export class Kasse {
  #url;
  #key;

  constructor(url, key) {
    this.#url = url.replace(/\/$/, "");
    this.#key = key;
  }

  /**
   * Sends a request and returns the body of the response. It sends the request again after a network
   * error and after a retryable refusal, `tries` times in all: every request is safe to repeat. It
   * throws Refused, or the network error.
   */
  async call(method, path, body, { idempotencyKey, tries = 3 } = {}) {
    const headers = { Authorization: `Bearer ${this.#key}`, "Content-Type": "application/json" };
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    for (let attempt = 1; ; attempt++) {
      let pause = Math.min(2 ** (attempt - 1), 30); // seconds
      try {
        const response = await fetch(this.#url + path, {
          method,
          headers,
          body: body && JSON.stringify(body),
          redirect: "error", // a redirect would send the key elsewhere
          signal: AbortSignal.timeout(60_000), // the feed is a long poll of up to 25 s
        });
        if (response.ok) return await response.json();
        const refused = new Refused(response.status, await response.json().catch(() => ({})));
        if (!refused.retryable || attempt >= tries) throw refused;
        pause = Number(response.headers.get("Retry-After")) || pause;
      } catch (error) {
        if (error instanceof Refused || attempt >= tries) throw error; // any other error is a network error
      }
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }
}
