package store

import (
	"context"
	"strconv"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"kasse/service"
)

var saveOrderScript = script("save_order")

// refusedFor is how long an order stays that Stripe refused: as long as Stripe may remember the key of its attempt, and
// a day more.
const refusedFor = 48 * time.Hour

// orderOutlives is how much longer an order stays than its payments.
const orderOutlives = 24 * time.Hour

// LoadOrder returns the order, with Revision 0 where it was never stored, and Redis's clock.
func (s *Store) LoadOrder(ctx context.Context, id service.OrderID) (service.Order, time.Time, error) {
	o := service.Order{ID: id}
	part := s.orderPartition(id)
	r, err := s.load(ctx, part, part.order(id), &o)
	o.Revision = r.revision
	return o, r.now, err
}

// SaveOrder writes the order, or fails with service.ErrConflict where it has changed since it was loaded.
func (s *Store) SaveOrder(ctx context.Context, o service.Order) error {
	state, err := json.Marshal(o)
	if err != nil {
		return err
	}
	part := s.orderPartition(o.ID)
	_, err = s.run(ctx, saveOrderScript, part, []string{part.order(o.ID), s.meta(part)},
		o.Revision, o.Revision+1, string(o.ID), state, s.orderRetention(o), part.changed())
	return err
}

// OutliveOrder lets an order that will expire stay as long again as a payment of it that is written now, and longer.
func (s *Store) OutliveOrder(ctx context.Context, id service.OrderID) error {
	return unavailable(s.redis.ExpireXX(ctx, s.orderPartition(id).order(id), s.Retention+orderOutlives).Err())
}

// orderRetention is how long an order stays from now, in seconds; empty is for good, as long as it can be paid.
func (s *Store) orderRetention(o service.Order) string {
	switch {
	case o.Winner != "" || o.Closed != "" || o.Ended():
		return strconv.FormatInt(int64((s.Retention+orderOutlives)/time.Second), 10)
	case o.Free():
		return strconv.FormatInt(int64(refusedFor/time.Second), 10)
	}
	return ""
}
