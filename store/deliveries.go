package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/push"
)

// DeliveryState is the state of the delivery of an event to an endpoint.
type DeliveryState string

// States of a delivery. DeliveryPassed is one that is no longer in the log of tries, or that is older than
// the endpoint's registration.
const (
	DeliveryUnregistered DeliveryState = "not registered" // no server has run with the endpoint
	DeliveryNotBegun     DeliveryState = "not begun"
	DeliveryUnderWay     DeliveryState = "under way"
	DeliveryWaits        DeliveryState = "waits for another try"
	DeliveryGivenUp      DeliveryState = "given up"
	DeliveryDone         DeliveryState = "delivered"
	DeliveryPassed       DeliveryState = "passed"
)

// Delivery is the delivery of one event to one endpoint.
type Delivery struct {
	State DeliveryState
	Tries []LoggedPush // those that the log still has, oldest first
	Due   time.Time    // of the next try, by Redis's clock; zero: none waits
	Dead  *DeadLetter  // nil: it was not given up
}

// LoadDeliveries returns the delivery of each of an order's events to an endpoint, in their order.
func (s *Store) LoadDeliveries(
	ctx context.Context, e push.EndpointID, order payment.OrderID, events []payment.FeedEvent,
) ([]Delivery, error) {
	part := s.orderPartition(order)
	keys := part.push(e)
	pipe := s.redis.Pipeline()
	share := pipe.HGet(ctx, keys.share, "passed")
	groups := pipe.XInfoGroups(ctx, part.events())
	log := pipe.LRange(ctx, keys.log, 0, -1)
	dead := pipe.XRange(ctx, keys.dead, "-", "+")
	pending := make([]*redis.XPendingExtCmd, len(events))
	for i, event := range events {
		pending[i] = pipe.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: part.events(), Group: keys.group, Start: event.Entry, End: event.Entry, Count: 1,
		})
	}
	_, _ = pipe.Exec(ctx) // each reply has its own error
	for _, reply := range []redis.Cmder{share, log, dead} {
		if err := ignoreNil(reply.Err()); err != nil {
			return nil, unavailable(err)
		}
	}
	retries := map[string]redis.Z{} // by the entry's id
	for _, event := range events {
		retries[event.Entry] = redis.Z{}
	}
	err := s.scanRetries(ctx, keys.retries, func(member string, score float64) {
		entry, _, _ := strings.Cut(member, " ")
		if _, wanted := retries[entry]; wanted {
			retries[entry] = redis.Z{Member: member, Score: score}
		}
	})
	if err != nil {
		return nil, unavailable(err)
	}
	at := deliveryPosition{registered: share.Err() == nil}
	for _, g := range groups.Val() {
		if g.Name == keys.group {
			at.last, at.found = parsePosition(g.LastDeliveredID), true
		}
	}
	all := make([]Delivery, len(events))
	for i, event := range events {
		all[i].addTries(event, log.Val())
		claimed := all[i].addRetry(retries[event.Entry])
		all[i].addDead(event, dead.Val())
		all[i].State = at.state(all[i], event, claimed || len(pending[i].Val()) > 0)
	}
	return all, nil
}

// deliveryPosition is how far an endpoint's group has read the stream.
type deliveryPosition struct {
	registered, found bool
	last              position
}

func (at deliveryPosition) state(d Delivery, event payment.FeedEvent, pending bool) DeliveryState {
	switch {
	case !d.Due.IsZero():
		return DeliveryWaits
	case pending:
		return DeliveryUnderWay
	case d.Dead != nil:
		return DeliveryGivenUp
	case len(d.Tries) > 0 && d.Tries[len(d.Tries)-1].Reason == "":
		return DeliveryDone
	case !at.registered || !at.found:
		return DeliveryUnregistered
	case parsePosition(event.Entry).compare(at.last) > 0:
		return DeliveryNotBegun
	}
	return DeliveryPassed
}

func (d *Delivery) addTries(event payment.FeedEvent, log []string) {
	for _, line := range slices.Backward(log) { // the newest is the first
		if p, ok := parseLogLine(line); ok && p.Event == event.ID {
			d.Tries = append(d.Tries, p)
		}
	}
}

// addRetry notes when the next try is due, if there is one. It reports whether a worker has claimed it: its score is
// negative then.
func (d *Delivery) addRetry(retry redis.Z) (claimed bool) {
	member, waits := retry.Member.(string)
	if claimed = retry.Score < 0; waits && !claimed {
		d.Due = time.UnixMilli(parseRetry(member).Due).UTC()
	}
	return claimed
}

func (d *Delivery) addDead(event payment.FeedEvent, notes []redis.XMessage) {
	for _, m := range notes {
		field := func(name string) string { text, _ := m.Values[name].(string); return text }
		if field("entry") == event.Entry {
			d.Dead = &DeadLetter{
				At: time.UnixMilli(parsePosition(m.ID).ms).UTC(), Event: field("id"), Type: field("type"),
				Tries: int(integer(field("tries"))), Reason: field("reason"),
			}
		}
	}
}
