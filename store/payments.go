package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service"
)

var (
	loadScript        = script("load")
	savePaymentScript = script("save_payment")
)

// load reads fields of a record, and Redis's clock. A field that is not there is empty.
func (s *Store) load(ctx context.Context, key string, fields ...any) ([]string, time.Time, error) {
	reply, err := loadScript.Run(ctx, s.redis, []string{key}, fields...).Slice()
	if err != nil {
		return nil, time.Time{}, unavailable(err)
	}
	stored, _ := reply[2].([]any)
	values := make([]string, len(stored))
	for i := range stored {
		values[i], _ = stored[i].(string)
	}
	return values, clock(reply[0], reply[1]), nil
}

// clock reads the reply to TIME.
func clock(seconds, micros any) time.Time {
	return time.Unix(integer(seconds), integer(micros)*int64(time.Microsecond))
}

func integer(value any) int64 {
	text, _ := value.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// LoadPayment returns the payment, with Revision 0 where it was never stored, and Redis's clock.
func (s *Store) LoadPayment(ctx context.Context, id service.PaymentID) (service.Payment, time.Time, error) {
	p := service.Payment{ID: id}
	values, now, err := s.load(ctx, s.paymentPartition(id).payment(id), "rev", "state", "view", "secret")
	if err != nil || values[0] == "" {
		return p, now, err
	}
	if err := json.Unmarshal([]byte(values[1]), &p); err != nil {
		return p, now, corrupt("payment", string(id), err)
	}
	p.Revision, p.View, p.SecretHash = integer(values[0]), []byte(values[2]), values[3]
	return p, now, nil
}

// SavePayment writes all of w, or fails with service.ErrConflict where the payment has changed since it was loaded.
func (s *Store) SavePayment(ctx context.Context, w service.PaymentWrite) error {
	state, err := json.Marshal(w.Payment)
	if err != nil {
		return err
	}
	part := s.paymentPartition(w.ID)
	keys := []string{part.payment(w.ID), part.events(), part.reads(), part.meta()}
	view, eventID, eventType := "", "", ""
	if w.History != nil {
		view = string(w.View)
	}
	if w.Event != nil {
		eventID, eventType = w.Event.ID, w.Event.Type
	}
	readAt := ""
	if !w.ReadAt.IsZero() {
		readAt = strconv.FormatInt(w.ReadAt.UnixMilli(), 10)
	}
	oldest := strconv.FormatInt(w.Now.Add(-s.EventRetention).UnixMilli(), 10)
	return unavailable(savePaymentScript.Run(ctx, s.redis, keys,
		w.Revision, w.Revision+1, string(w.ID), state, w.SecretHash, readAt, s.retention(w.Final),
		view, w.Version, w.History, part.changed(), eventID, eventType, oldest, string(w.Standing.Order)).Err())
}

// retention is how long a record stays from now, in seconds; empty is for good.
func (s *Store) retention(final bool) string {
	if !final {
		return ""
	}
	return strconv.FormatInt(int64(s.Retention/time.Second), 10)
}

// LoadView returns the view as it was rendered last; service.ErrNotFound where there is none.
func (s *Store) LoadView(ctx context.Context, id service.PaymentID) (service.StoredView, error) {
	values, err := s.redis.HMGet(ctx, s.paymentPartition(id).payment(id), "view", "version", "secret", "order").Result()
	if err != nil {
		return service.StoredView{}, unavailable(err)
	}
	view, ok := values[0].(string)
	if !ok {
		return service.StoredView{}, service.ErrNotFound
	}
	secret, _ := values[2].(string)
	order, _ := values[3].(string)
	return service.StoredView{View: []byte(view), Version: integer(values[1]), SecretHash: secret, Order: service.OrderID(order)}, nil
}

// LoadHistory returns the JSON array of visible changes, oldest first; service.ErrNotFound where there is no payment.
func (s *Store) LoadHistory(ctx context.Context, id service.PaymentID) ([]byte, error) {
	entries, err := s.redis.HGet(ctx, s.paymentPartition(id).payment(id), "history").Result()
	if errors.Is(err, redis.Nil) {
		return nil, service.ErrNotFound
	}
	return []byte("[" + entries + "]"), unavailable(err)
}

// corrupt is a record that cannot be read. It is not overwritten: somebody has to look.
func corrupt(kind, id string, err error) error {
	return &service.Error{Code: service.CodeInternal, Detail: "A stored record cannot be read.", Cause: fmt.Errorf("%s %s: %w", kind, id, err)}
}
