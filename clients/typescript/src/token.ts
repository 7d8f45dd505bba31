// The order token, cached until it expires.

/** Makes a cache of the token, which all requests share. */
export function tokenSource(getToken?: () => Promise<string> | string) {
  let kept: Promise<string> | undefined;
  let current: string | undefined;
  return {
    get(): Promise<string> {
      kept ??= fetchToken().catch((error: unknown) => {
        kept = undefined; // the next request calls getToken again
        throw error;
      });
      return kept;
    },
    /** Removes an expired token from the cache, unless the cache has another one already. */
    drop(token: string): void {
      if (token === current) kept = current = undefined;
    },
  };

  async function fetchToken(): Promise<string> {
    if (!getToken)
      throw Object.assign(new TypeError('createKasse needs the option getToken for this call'), { retryable: false });
    return (current = await getToken());
  }
}
