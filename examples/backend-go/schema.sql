CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, product TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL
);
-- The newest view of each payment.
CREATE TABLE IF NOT EXISTS payments (
  id TEXT PRIMARY KEY, order_id TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL
);
-- Its primary key makes fulfilment happen once.
CREATE TABLE IF NOT EXISTS shipments (
  order_id TEXT PRIMARY KEY REFERENCES orders (id), shipped_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
-- The cursor to resume the feed from.
CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
