// For workerd: the addresses come in headers.
import { pay } from './pay.mjs';

export default {
  async fetch({ headers }) {
    return new Response(await pay(headers.get('kasse'), headers.get('stripe')).catch((error) => String(error.stack)));
  },
};
