// The order token, kept until it expires.

/** Gives the token, which all requests share. */
export function tokenSource(getToken?: () => Promise<string> | string) {
  let kept: Promise<string> | undefined;
  let current: string | undefined;
  return {
    get(): Promise<string> {
      kept ??= fetchToken().catch((error: unknown) => {
        kept = undefined; // the next request asks again
        throw error;
      });
      return kept;
    },
    /** Forgets a token that has expired, unless another has taken its place. */
    drop(token: string): void {
      if (token === current) kept = current = undefined;
    },
  };

  async function fetchToken(): Promise<string> {
    if (!getToken)
      throw Object.assign(new TypeError('createKasse needs getToken for this call'), { retryable: false });
    return (current = await getToken());
  }
}
