package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"github.com/redis/go-redis/v9"

	"kasse/service"
	"kasse/service/payment"
)

var (
	pushJoinScript   = script("push_join")
	pushTakeScript   = script("push_take")
	pushLaterScript  = script("push_later")
	pushAgainScript  = script("push_again")
	pushSwitchScript = script("push_switch")
)

// deadLetters is how many are kept of one endpoint in one partition.
const deadLetters = 1_000

// replyNoGroup is our script's, and Redis's own for a group that somebody has destroyed.
const replyNoGroup = "NOGROUP"

// PartitionCount is how many partitions payments have.
func (s *Store) PartitionCount() int { return s.Partitions }

// JoinPushes lets an endpoint begin, from now; one that has begun goes on from where it stopped.
func (s *Store) JoinPushes(ctx context.Context, e service.EndpointID) error {
	for n := range s.Partitions {
		if err := s.joinPush(ctx, s.partitionAt(n), e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) joinPush(ctx context.Context, part partition, e service.EndpointID) error {
	push := part.push(e)
	return unavailable(pushJoinScript.Run(ctx, s.redis, []string{part.events(), part.meta(), push.share}, push.group).Err())
}

// ClaimPushes asks every partition for work, in one round trip. One that fails says so, and the others give theirs.
func (s *Store) ClaimPushes(ctx context.Context, c service.PushClaim) []service.PushWork {
	replies, _ := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, share := range c.Shares {
			keys, args := s.takePush(n, c, share)
			pipe.EvalSha(ctx, pushTakeScript.Hash(), keys, args...)
		}
		return nil
	}) // each reply has its own error
	works := make([]service.PushWork, len(c.Shares))
	for n := range works {
		var values []any
		err := redis.ErrClosed
		if n < len(replies) {
			values, err = replies[n].(*redis.Cmd).Slice()
		}
		if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			keys, args := s.takePush(n, c, c.Shares[n])
			values, err = pushTakeScript.Run(ctx, s.redis, keys, args...).Slice()
		}
		if err != nil && redis.HasErrorPrefix(err, replyNoGroup) { // Redis was emptied, and marked again
			err = s.joinPush(ctx, s.partitionAt(n), c.Endpoint)
		}
		works[n] = readWork(values)
		works[n].Err = unavailable(err)
	}
	return works
}

func (s *Store) takePush(n int, c service.PushClaim, share service.PushShare) (keys []string, args []any) {
	part := s.partitionAt(n)
	push := part.push(c.Endpoint)
	return []string{part.events(), part.meta(), push.share, push.retries},
		[]any{push.group, c.Owner, c.Lease.Milliseconds(), share.Held, share.First, share.Retries, c.Hide.Milliseconds()}
}

// readWork reads the reply to a claim; none is no work.
func readWork(values []any) (w service.PushWork) {
	if len(values) < 5 {
		return w
	}
	w.Taken, w.Disabled = values[0] == "taken", values[0] == "disabled"
	lost, _ := values[1].(int64)
	waiting, _ := values[4].(int64)
	w.Lost, w.Waiting = int(lost), int(waiting)
	first, _ := values[2].([]any)
	for _, entry := range first {
		w.First = append(w.First, delivery(readEntry(entry)))
	}
	retries, _ := values[3].([]any)
	for _, retry := range retries {
		pair, _ := retry.([]any)
		member, _ := pair[0].(string)
		d := delivery(readEntry(pair[1]))
		_, tries, _ := strings.Cut(member, " ")
		d.Retry, d.Tries = true, int(integer(tries))
		w.Retries = append(w.Retries, d)
	}
	return w
}

func delivery(entry redis.XMessage) service.Delivery {
	return service.Delivery{Event: feedEvent(entry, parsePosition(entry.ID))}
}

// retry is a delivery among the retries, as it is there after so many tries.
func retry(d service.Delivery, tries int) string { return d.Event.Entry + " " + strconv.Itoa(tries) }

// pushPartition is where a delivery lies: with its order.
func (s *Store) pushPartition(d service.Delivery) partition {
	var named struct {
		Order payment.OrderID `json:"order_id"`
	}
	_ = json.Unmarshal(d.Event.Data, &named) // it is a view of ours
	return s.orderPartition(named.Order)
}

// FinishPush takes a delivery that has been made off the endpoint's list.
func (s *Store) FinishPush(ctx context.Context, e service.EndpointID, d service.Delivery) error {
	part := s.pushPartition(d)
	push := part.push(e)
	if d.Retry {
		return unavailable(s.redis.ZRem(ctx, push.retries, retry(d, d.Tries)).Err())
	}
	return unavailable(s.redis.XAck(ctx, part.events(), push.group, d.Event.Entry).Err())
}

// DelayPush moves a delivery that failed among the retries, to be due after so long.
func (s *Store) DelayPush(ctx context.Context, e service.EndpointID, d service.Delivery, after time.Duration) error {
	return s.movePush(ctx, e, d, retry(d, d.Tries+1), after, "")
}

// BuryPush moves a delivery that failed for good among the dead letters, of which the newest are kept.
func (s *Store) BuryPush(ctx context.Context, e service.EndpointID, d service.Delivery, reason string) error {
	return s.movePush(ctx, e, d, "", 0, reason)
}

func (s *Store) movePush(ctx context.Context, e service.EndpointID, d service.Delivery, next string, after time.Duration, reason string) error {
	part := s.pushPartition(d)
	push := part.push(e)
	failed := ""
	if d.Retry {
		failed = retry(d, d.Tries)
	}
	return unavailable(pushLaterScript.Run(ctx, s.redis, []string{part.events(), part.meta(), push.retries, push.dead},
		push.group, d.Event.Entry, failed, next, after.Milliseconds(), deadLetters, d.Event.ID, d.Event.Type, d.Tries+1, cut(reason)).Err())
}

// DisablePushes stops the deliveries to an endpoint, for all processes, until EnablePushes; it reports whether that was a
// change.
func (s *Store) DisablePushes(ctx context.Context, e service.EndpointID) (bool, error) {
	return s.switchPushes(ctx, e, "1")
}

// EnablePushes lets an endpoint go on from where it stopped; it reports whether that was a change.
func (s *Store) EnablePushes(ctx context.Context, e service.EndpointID) (bool, error) {
	return s.switchPushes(ctx, e, "")
}

func (s *Store) switchPushes(ctx context.Context, e service.EndpointID, off string) (changed bool, err error) {
	for n := range s.Partitions {
		part := s.partitionAt(n)
		made, err := pushSwitchScript.Run(ctx, s.redis, []string{part.meta(), part.push(e).share}, off).Bool()
		if err != nil {
			return changed, unavailable(err)
		}
		changed = changed || made
	}
	return changed, nil
}

// Replay lets the events of a page be pushed once more to the endpoints, all or those of one type, as retries that are due
// in the events' own order. It returns how many there are, and the cursor to go on from; done says that this was the last
// page. An endpoint that has not begun keeps them until it does.
func (s *Store) Replay(ctx context.Context, endpoints []service.EndpointID, after, kind string) (count int, next string, done bool, err error) {
	const page = 500
	events, err := s.LoadEvents(ctx, after, page)
	if err != nil {
		return 0, "", false, err
	}
	scored := map[partition][]any{}
	for _, e := range events.Events {
		if kind != "" && e.Type != kind {
			continue
		}
		count++
		d := service.Delivery{Event: e}
		part := s.pushPartition(d)
		scored[part] = append(scored[part], parsePosition(e.Entry).ms, retry(d, 0))
	}
	for part, args := range scored {
		for _, e := range endpoints {
			if err := pushAgainScript.Run(ctx, s.redis, []string{part.meta(), part.push(e).retries}, args...).Err(); err != nil {
				return count, "", false, unavailable(err)
			}
		}
	}
	return count, events.Next, len(events.Events) < page, nil
}
