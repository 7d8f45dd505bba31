"""A shop's backend beside Kasse. It creates orders, mints order tokens, captures and refunds.

It receives events from the feed and by push, and ships each paid order exactly once. Copy the parts that you need.

    KASSE_URL       http://127.0.0.1:8080
    KASSE_KEY       ksk_…, with the scopes read+write+manage+events
    WEBHOOK_SECRET  whsec_…, as in Kasse's EVENT_ENDPOINTS
    ADDR            127.0.0.1:8093, unless set
    DATABASE        shop.db, unless set
"""
import contextlib
import http.server
import json
import os
import pathlib
import re
import secrets
import sqlite3
import sys
import threading
import time

import kasse

DATABASE = os.environ.get("DATABASE", "shop.db")
PRODUCTS = {  # euro cents; a price never comes from a browser
    "kettle": {"amount": 4200, "currency": "eur"},
    "bicycle": {"amount": 129900, "currency": "eur", "capture_method": "manual"},  # captured when it is ready
}


def settings():
    """Reads the environment, or exits with one message that lists every mistake and contains no value."""
    wanted = {
        "KASSE_URL": (r"https?://[^/?@]+/?", "Kasse's address, such as http://127.0.0.1:8080"),
        "KASSE_KEY": (r"ksk_[A-Za-z0-9_-]{32,}", "a service key from `kasse keygen`: ksk_…"),
        "WEBHOOK_SECRET": (r"whsec_[A-Za-z0-9+/]{32,}={0,2}", "this endpoint's secret in EVENT_ENDPOINTS: whsec_…"),
    }
    values = {name: os.environ.get(name, "") for name in wanted}
    wrong = [f"set {name} to {what}" for name, (shape, what) in wanted.items() if not re.fullmatch(shape, values[name])]
    if wrong:
        sys.exit("backend: " + "\n".join(wrong))
    return values["KASSE_URL"], values["KASSE_KEY"], values["WEBHOOK_SECRET"]


@contextlib.contextmanager
def transaction():
    db = sqlite3.connect(DATABASE, timeout=10, isolation_level=None)
    try:
        db.execute("PRAGMA foreign_keys = 1")
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # rolls back without the commit


def handle(db, kind, view):
    """Applies one event within the transaction. Returns whether the order has to be shipped now.

    Only the unique key of shipments decides that. Neither the version nor a list of known event ids can: the same event
    arrives by feed and by push, each may repeat it, and a retry may arrive after newer events.
    """
    ship = False
    if kind == "order.paid":
        done = db.execute("INSERT INTO shipments (order_id) SELECT id FROM orders WHERE id = ? ON CONFLICT DO NOTHING",
                          (view["order_id"],))
        ship = done.rowcount == 1
    if kind.startswith("order."):  # superseded.… is about the order's other payments
        db.execute("INSERT INTO payments (id, order_id, version, state) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
                   " SET version = excluded.version, state = excluded.state WHERE excluded.version > payments.version",
                   (view["payment_intent"], view["order_id"], view["version"], view["state"]))
    return ship


def handle_all(events, cursor=None):
    """Applies events in one transaction, then ships. A real shop inserts a shipping job in the same transaction."""
    with transaction() as db:
        ship = [view["order_id"] for kind, view in events if handle(db, kind, view)]
        if cursor is not None:
            db.execute("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)", (cursor,))
    for order in ship:
        print("ship", order, flush=True)


def follow_feed(client):
    """Applies the events of the feed, beginning at the stored cursor. Exits when Kasse refuses the key."""
    with transaction() as db:
        cursor = (db.execute("SELECT cursor FROM feed").fetchone() or [""])[0]
    while True:
        try:
            page = client.call("GET", f"/v1/events?wait=25&after={cursor}", tries=0)
        except kasse.Refused as refused:
            if refused.code != "cursor_expired":
                sys.exit(f"backend: the feed was refused, check KASSE_URL and KASSE_KEY: {refused}")
            print("feed: the cursor has expired, looking up all open orders", file=sys.stderr, flush=True)
            look_up_open_orders(client)
            cursor = refused.oldest
            continue
        handle_all([(event["type"], event["data"]) for event in page["events"]], page["next"])
        cursor = page["next"]
        if not page["events"]:
            time.sleep(0.5)  # a server that shuts down answers at once: without a pause the loop would not rest


def look_up_open_orders(client):
    """Reads each unshipped order from Kasse, because some events may be gone."""
    with transaction() as db:
        rows = db.execute("SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM shipments)").fetchall()
    for (order,) in rows:
        try:
            view = client.call("GET", f"/v1/orders/{order}")["payment"]
        except kasse.Refused as refused:
            if refused.code != "not_found":  # its page has not opened a payment yet
                raise
            continue
        if view:
            handle_all([("order.paid" if view["fulfillable"] else "order.updated", view)])


class Refusal(Exception):
    """An answer to a caller of this backend."""

    def __init__(self, status, message):
        self.status, self.message = status, message


def create_order(client, body):
    name = body.get("product")
    if name not in PRODUCTS:
        raise Refusal(400, 'send {"product": "kettle"} or {"product": "bicycle"}')
    order = "order-" + secrets.token_hex(6)
    item = PRODUCTS[name]
    with transaction() as db:
        db.execute("INSERT INTO orders (id, product, amount, currency) VALUES (?, ?, ?, ?)",
                   (order, name, item["amount"], item["currency"]))
    return 201, {"order_id": order, "amount": item["amount"], "currency": item["currency"]}


def show_order(client, body, order):
    with transaction() as db:
        row = db.execute(
            "SELECT (SELECT state FROM payments WHERE order_id = orders.id ORDER BY version DESC LIMIT 1),"
            " (SELECT count(*) FROM shipments WHERE order_id = orders.id)"
            " FROM orders WHERE id = ?", (order,)).fetchone()
    if row is None:
        raise Refusal(404, "the order does not exist")
    return 200, {"order_id": order, "state": row[0] or "new", "shipped": row[1]}


def mint_token(client, body, order):
    """Returns a token with which the order's page opens its payment.

    The page requests another token when this one has expired.
    """
    with transaction() as db:
        row = db.execute("SELECT product, amount, currency FROM orders WHERE id = ?", (order,)).fetchone()
    if row is None:
        raise Refusal(404, "the order does not exist")
    terms = dict(PRODUCTS[row[0]], order_id=order, amount=row[1], currency=row[2])
    return 201, client.call("POST", "/v1/order-tokens", terms)


def capture(client, body, order):
    view = client.call("POST", f"/v1/payments/{payment_of(client, order)}/capture", {})
    return 200, {"state": view["state"]}


def refund(client, body, order):
    """Refunds an amount in euro cents, or everything that is left.

    The caller chooses the refund's id, so that a double click makes one refund.
    """
    if not isinstance(body.get("refund_id"), str) or not body["refund_id"]:
        raise Refusal(400, 'send {"refund_id": "…", "amount": 1000}')
    made = client.call("POST", f"/v1/payments/{payment_of(client, order)}/refunds", {"amount": body.get("amount")},
                       idempotency_key=f"{order}/{body['refund_id']}")
    return 201, {"refund": made["refund"]["id"], "state": made["payment"]["state"]}


def payment_of(client, order):
    payment = client.call("GET", f"/v1/orders/{order}")["payment"]
    if not payment:
        raise Refusal(404, "nothing was paid for this order")
    return payment["payment_intent"]


# There is no login: add your own. The first three routes are for the order's customer, the last two
# are for your staff.
ROUTES = [
    ("POST", re.compile(r"/orders"), create_order),
    ("GET", re.compile(r"/orders/([\w.:-]+)"), show_order),
    ("POST", re.compile(r"/orders/([\w.:-]+)/token"), mint_token),
    ("POST", re.compile(r"/orders/([\w.:-]+)/capture"), capture),
    ("POST", re.compile(r"/orders/([\w.:-]+)/refunds"), refund),
]


class Handler(http.server.BaseHTTPRequestHandler):
    client = secret = None  # set by main

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        try:
            status, value = self.dispatch(self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 64 << 10)))
        except Refusal as refusal:
            status, value = refusal.status, {"error": refusal.message}
        except kasse.NotSigned as error:
            status, value = 401, {"error": str(error)}
        except kasse.Refused as refused:
            print(refused, file=sys.stderr, flush=True)
            status, value = 409, {"error": refused.detail, "code": refused.code}
            if refused.code == "not_found":
                status = 404
            if refused.retryable:
                status, value = 503, {"error": "try again"}
        except (OSError, sqlite3.Error) as error:
            print(error, file=sys.stderr, flush=True)
            status, value = 503, {"error": "try again"}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if value is not None:
            self.wfile.write(json.dumps(value).encode())

    def dispatch(self, body):
        """Answers a pushed event with 2xx only after the transaction has committed; otherwise Kasse pushes it again."""
        if (self.command, self.path) == ("POST", "/kasse/events"):
            event = kasse.verify(self.secret, self.headers, body)
            handle_all([(event["type"], event["data"])])
            return 204, None
        for method, path, route in ROUTES:
            found = path.fullmatch(self.path)
            if found and method == self.command:
                return route(self.client, parse(body), *found.groups())
        raise Refusal(404, "there is no such route")

    def log_message(self, *_):
        pass


def parse(body):
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object")
    return value


def main():
    url, key, Handler.secret = settings()
    Handler.client = client = kasse.Client(url, key)
    try:
        with transaction() as db:
            for statement in pathlib.Path(__file__).with_name("schema.sql").read_text().split(";\n"):
                db.execute(statement)
    except sqlite3.Error as error:
        sys.exit(f"backend: open DATABASE: {error}")
    host, _, port = os.environ.get("ADDR", "127.0.0.1:8093").rpartition(":")
    try:
        server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    except (OSError, ValueError) as error:
        sys.exit(f"backend: listen on ADDR: {error}")
    print("listening on http://%s:%d" % server.server_address[:2], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        follow_feed(client)


if __name__ == "__main__":
    main()
