// The calls of the shop's own backend. The backend decides the price of an order, and holds the service
// key with which it mints order tokens.
async function ask<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  // After retryable: false the payment's page shows an error. After any other error the client tries again.
  if (!response.ok)
    throw Object.assign(new Error(`${path}: ${response.status}`), { retryable: response.status >= 500 });
  return response.json();
}

export const getConfig = () => ask<{ kasse: string; stripe_js: string }>('GET', '/api/config');
export const createOrder = (guest: boolean) =>
  ask<{ order_id: string }>('POST', '/api/orders', { region: 'eu', guest });
export const getToken = async (order: string) =>
  (await ask<{ token: string }>('POST', `/api/orders/${order}/token`)).token;
