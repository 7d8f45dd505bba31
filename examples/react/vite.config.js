import react from '@vitejs/plugin-react';

// The shop's backend. Here it is kasse-dev's example shop, which has the prices and mints order tokens.
const backend = process.env.SHOP ?? 'http://127.0.0.1:8091';

export default {
  plugins: [react()],
  server: { port: 5173, strictPort: true, proxy: { '/api': backend } },
};
