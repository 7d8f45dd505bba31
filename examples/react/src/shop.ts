// The shop's own backend. It decides what an order costs, and holds the service key that order
// tokens are minted with.
async function ask<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  // A refusal that no repetition mends ends the payment's page; anything else is tried again.
  if (!response.ok)
    throw Object.assign(new Error(`${path}: ${response.status}`), { retryable: response.status >= 500 });
  return response.json();
}

export const getConfig = () => ask<{ kasse: string; stripe_js: string }>('GET', '/api/config');
export const createOrder = (guest: boolean) =>
  ask<{ order_id: string }>('POST', '/api/orders', { region: 'eu', guest });
export const getToken = async (order: string) =>
  (await ask<{ token: string }>('POST', `/api/orders/${order}/token`)).token;
