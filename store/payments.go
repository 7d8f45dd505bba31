package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"github.com/redis/go-redis/v9"

	"kasse/service"
)

var (
	loadScript        = script("load")
	savePaymentScript = script("save_payment")
)

// record is what lies under the key of a payment or an order.
type record struct {
	revision int64 // 0: there is none
	view     []byte
	secret   string
	now      time.Time // by Redis's clock
}

// load reads a record, and its state into v. One that cannot be read is neither shown nor taken for absent: somebody
// would write over it.
func (s *Store) load(ctx context.Context, part partition, key string, v any) (record, error) {
	answer, err := s.run(ctx, loadScript, part, []string{key}, "rev", "state", "view", "secret")
	if err != nil {
		return record{}, err
	}
	reply, ok := answer.([]any)
	if !ok || len(reply) < 3 {
		return record{}, corrupt(key, errors.New("the reply has another shape"))
	}
	r := record{now: clock(reply[0], reply[1])}
	fields, _ := reply[2].([]any)
	if !slices.ContainsFunc(fields, func(field any) bool { return field != nil }) {
		return r, nil
	}
	text := func(i int) string { value, _ := fields[i].(string); return value }
	if err := json.Unmarshal([]byte(text(1)), v); err != nil {
		return r, corrupt(key, err)
	}
	r.view, r.secret = []byte(text(2)), text(3)
	r.revision, err = positive(text(0))
	if err != nil {
		return r, corrupt(key, err)
	}
	return r, nil
}

// positive reads a revision or a version.
func positive(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n <= 0 {
		err = strconv.ErrRange
	}
	return n, err
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
	part := s.paymentPartition(id)
	r, err := s.load(ctx, part, part.payment(id), &p)
	p.Revision, p.View, p.SecretHash = r.revision, r.view, r.secret
	return p, r.now, err
}

// SavePayment writes all of w, or fails with service.ErrConflict where the payment has changed since it was loaded.
func (s *Store) SavePayment(ctx context.Context, w service.PaymentWrite) error {
	state, err := json.Marshal(w.Payment)
	if err != nil {
		return err
	}
	part := s.paymentPartition(w.ID)
	keys := []string{part.payment(w.ID), part.events(), part.reads(), s.meta(part), part.sweep()}
	view, eventID, eventType, restored, trace := "", "", "", "", ""
	if w.History != nil {
		view = string(w.View)
	}
	if w.Event != nil {
		eventID, eventType = w.Event.ID, w.Event.Type
		if w.Event.Restored {
			restored = "true"
		}
		if s.TraceParent != nil {
			trace = s.TraceParent(ctx)
		}
	}
	oldest := position{ms: max(w.Now.Add(-s.EventRetention).UnixMilli(), 1)} // Redis refuses an id below the first
	_, err = s.run(ctx, savePaymentScript, part, keys,
		w.Revision, w.Revision+1, string(w.ID), state, w.SecretHash, due(w.ReadAt), s.retention(w.Final),
		view, w.Version, w.History, part.changed(), eventID, eventType, oldest.String(), string(owner(w.Standing)),
		due(w.SweepAt), restored, trace)
	s.forgetView(w.ID) // also where the reply was lost
	return err
}

// due is a moment in Unix milliseconds; empty where there is none.
func due(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return strconv.FormatInt(at.UnixMilli(), 10)
}

// owner is the order whose token may read the payment; one that only claims to be the order's is not among it.
func owner(s service.Standing) service.OrderID {
	if s.Foreign {
		return ""
	}
	return s.Order
}

// retention is how long a record stays from now, in seconds; empty is for good.
func (s *Store) retention(final bool) string {
	if !final {
		return ""
	}
	return strconv.FormatInt(int64(s.Retention/time.Second), 10)
}

// askView is the command that reads a view.
const askView = "hmget"

// LoadView returns the view as it was rendered last; service.ErrNotFound where there is none.
func (s *Store) LoadView(ctx context.Context, id service.PaymentID) (service.StoredView, error) {
	key := s.paymentPartition(id).payment(id)
	load := func(ctx context.Context) (service.StoredView, error) { return s.readView(ctx, key) }
	if s.Readers.cache == nil {
		return load(ctx)
	}
	return s.Readers.cache.view(ctx, key, load)
}

func (s *Store) readView(ctx context.Context, key string) (service.StoredView, error) {
	question := redis.NewSliceCmd(ctx, askView, key, "view", "version", "secret", "order")
	if err := s.reading.ask(ctx, question); err != nil {
		return service.StoredView{}, unavailable(err)
	}
	values := question.Val()
	if len(values) != 4 {
		return service.StoredView{}, corrupt(key, errors.New("the reply has another shape"))
	}
	view, ok := values[0].(string)
	if !ok {
		return service.StoredView{}, service.ErrNotFound
	}
	text, _ := values[1].(string)
	version, err := positive(text)
	if err != nil {
		return service.StoredView{}, corrupt(key, err)
	}
	secret, _ := values[2].(string)
	order, _ := values[3].(string)
	return service.StoredView{View: []byte(view), Version: version, SecretHash: secret, Order: service.OrderID(order)}, nil
}

// forgetView drops what is kept of a payment that has changed: who has written it reads what was written, and who got a
// hint what came after it, without waiting for Redis's word.
func (s *Store) forgetView(id service.PaymentID) {
	if s.Readers.cache != nil {
		s.Readers.cache.forget(s.paymentPartition(id).payment(id))
	}
}

// LoadHistory returns the JSON array of visible changes, oldest first; service.ErrNotFound where there is no payment.
func (s *Store) LoadHistory(ctx context.Context, id service.PaymentID) ([]byte, error) {
	question := redis.NewStringCmd(ctx, "hget", s.paymentPartition(id).payment(id), "history")
	switch err := s.reading.ask(ctx, question); {
	case errors.Is(err, redis.Nil):
		return nil, service.ErrNotFound
	case err != nil:
		return nil, unavailable(err)
	}
	return []byte("[" + question.Val() + "]"), nil
}

// corrupt is a record that cannot be read. It is not overwritten: somebody has to look.
func corrupt(key string, err error) error {
	return &service.Error{Code: service.CodeInternal, Detail: "A stored record cannot be read.", Cause: fmt.Errorf("%s: %w", key, err)}
}
