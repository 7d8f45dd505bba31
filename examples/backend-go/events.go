package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"strings"

	_ "modernc.org/sqlite"

	kasse "kasse/clients/go"
)

//go:embed schema.sql
var schema string

func openDatabase(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	_, err = db.ExecContext(ctx, schema)
	return db, err
}

// handle applies one event within the transaction. It reports whether the order has to be shipped
// now.
//
// Only the unique key of shipments decides that. Neither the version nor a list of known event ids
// can: the same event arrives by feed and by push, each may repeat it, and a retry may arrive after
// newer events.
func handle(ctx context.Context, t *sql.Tx, kind string, view kasse.View) (ship bool, err error) {
	if kind == "order.paid" {
		done, err := t.ExecContext(ctx, `INSERT INTO shipments (order_id)
			SELECT id FROM orders WHERE id = ? ON CONFLICT DO NOTHING`, view.OrderID)
		if err != nil {
			return false, err
		}
		rows, err := done.RowsAffected()
		if err != nil {
			return false, err
		}
		ship = rows == 1
	}
	if strings.HasPrefix(kind, "order.") { // superseded.… is about the order's other payments
		_, err = t.ExecContext(ctx, `INSERT INTO payments (id, order_id, version, state) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state
			WHERE excluded.version > payments.version`,
			view.PaymentIntent, view.OrderID, view.Version, view.State)
	}
	return ship, err
}

// handleAll applies events and stores the cursor after them in one transaction, then ships. Pushed
// events have no cursor. A real shop inserts a shipping job in the same transaction.
func (b *backend) handleAll(ctx context.Context, events []kasse.Event, cursor kasse.Cursor) error {
	t, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback() //nolint:errcheck // after the commit it does nothing
	var orders []string
	for _, event := range events {
		ship, err := handle(ctx, t, event.Type, event.Data)
		if err != nil {
			return err
		}
		if ship {
			orders = append(orders, event.Data.OrderID)
		}
	}
	if cursor != "" {
		if _, err := t.ExecContext(ctx, "INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)", cursor); err != nil {
			return err
		}
	}
	if err := t.Commit(); err != nil {
		return err
	}
	for _, order := range orders {
		fmt.Println("ship", order)
	}
	return nil
}

// followFeed applies the events of the feed, beginning at the stored cursor. It returns an error when
// the context ends or Kasse refuses the key.
func (b *backend) followFeed(ctx context.Context) error {
	var cursor kasse.Cursor
	err := b.db.QueryRowContext(ctx, "SELECT cursor FROM feed").Scan(&cursor)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for {
		err := b.follow(ctx, cursor)
		refused, isRefused := errors.AsType[*kasse.Error](err)
		switch {
		case !isRefused:
			return err
		case refused.Code != kasse.ProblemCodeCursorExpired || refused.Oldest == nil:
			return fmt.Errorf("the feed was refused, check KASSE_URL and KASSE_KEY: %w", err)
		}
		log.Print("feed: the cursor has expired, looking up all open orders")
		if err := b.lookUpOpenOrders(ctx); err != nil {
			return err
		}
		cursor = *refused.Oldest
	}
}

func (b *backend) follow(ctx context.Context, cursor kasse.Cursor) error {
	for page, err := range b.kasse.Feed(ctx, cursor) {
		if err != nil {
			return err
		}
		if err := b.handleAll(ctx, page.Events, page.Next); err != nil {
			return err
		}
	}
	return nil
}

// lookUpOpenOrders reads each unshipped order from Kasse, because some events may be gone.
func (b *backend) lookUpOpenOrders(ctx context.Context) error {
	rows, err := b.db.QueryContext(ctx, "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM shipments)")
	if err != nil {
		return err
	}
	var open []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return errors.Join(err, rows.Close())
		}
		open = append(open, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range open {
		order, err := b.kasse.Order(ctx, id)
		if errors.Is(err, kasse.ProblemCodeNotFound) || err == nil && order.Payment == nil {
			continue // its page has not opened a payment yet
		}
		if err != nil {
			return err
		}
		event := kasse.Event{Type: "order.updated", Data: *order.Payment}
		if order.Payment.Fulfillable {
			event.Type = "order.paid"
		}
		if err := b.handleAll(ctx, []kasse.Event{event}, ""); err != nil {
			return err
		}
	}
	return nil
}
