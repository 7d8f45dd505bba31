package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/push"
)

var (
	pushReplayScript  = script("push_replay")
	pushRedriveScript = script("push_redrive")
)

// Replay adds deliveries of one page of the feed's events to the endpoints, all or those of one type, as
// retries that are due in the events' order. It returns the number of events and the next cursor; done marks
// the last page. An endpoint that is not registered keeps them until it is.
func (s *Store) Replay(ctx context.Context, endpoints []push.EndpointID, after, kind string) (
	count int, next string, done bool, err error,
) {
	const page = 500
	events, err := s.LoadEvents(ctx, payment.FeedQuery{After: after, Limit: page})
	if err != nil {
		return 0, "", false, err
	}
	scored := map[int][]any{}
	for _, e := range events.Events {
		if kind != "" && e.Type != kind {
			continue
		}
		count++
		at := parsePosition(e.Entry).ms
		scored[e.Partition] = append(scored[e.Partition], at, retryMember(push.Delivery{Event: e, Due: at}))
	}
	var calls []scriptCall
	for n, args := range scored {
		for _, e := range endpoints {
			part := s.pushPartition(n)
			calls = append(calls, scriptCall{[]string{part.meta(), part.push(e).retries}, args})
		}
	}
	for _, result := range s.runScripts(ctx, pushReplayScript, calls) {
		if err := result.Err(); err != nil {
			return count, "", false, unavailable(err)
		}
	}
	return count, events.Next, len(events.Events) < page, nil
}

// DeadLetter is a note of a delivery that was given up.
type DeadLetter struct {
	At     time.Time // when it was given up, by Redis's clock
	Event  string
	Type   string
	Tries  int
	Reason string

	partition int
	id, entry string // of the note, and of the event
}

// LoadDeadLetters returns the dead letters of one endpoint, oldest first.
func (s *Store) LoadDeadLetters(ctx context.Context, e push.EndpointID) ([]DeadLetter, error) {
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.XRange(ctx, s.pushPartition(n).push(e).dead, "-", "+")
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	var all []DeadLetter
	for n, reply := range replies {
		for _, m := range reply.(*redis.XMessageSliceCmd).Val() {
			field := func(name string) string { text, _ := m.Values[name].(string); return text }
			all = append(all, DeadLetter{
				At: time.UnixMilli(parsePosition(m.ID).ms).UTC(), Event: field("id"), Type: field("type"),
				Tries: int(
					integer(field("tries")),
				), Reason: field("reason"), partition: n, id: m.ID, entry: field("entry"),
			})
		}
	}
	slices.SortStableFunc(all, func(a, b DeadLetter) int { return a.At.Compare(b.At) })
	return all, nil
}

// Redriven counts what Redrive moved.
type Redriven struct {
	Waiting int // retries that are due now
	Dead    int // dead letters that are due now
	Gone    int // dead letters whose event EVENT_RETENTION has dropped
}

// Redrive makes waiting retries and dead letters of one endpoint due now: all, or those of one
// event. An open circuit is probed at once.
func (s *Store) Redrive(ctx context.Context, e push.EndpointID, event string) (Redriven, error) {
	var r Redriven
	letters, err := s.LoadDeadLetters(ctx, e)
	if err != nil {
		return r, err
	}
	args := map[int][]any{}
	for _, letter := range letters {
		if event == "" || letter.Event == event {
			args[letter.partition] = append(args[letter.partition], letter.id, letter.entry)
		}
	}
	if event == "" {
		r.Waiting, err = s.pullRetries(ctx, e, "all")
	} else {
		r.Waiting, err = s.pullRetry(ctx, e, event)
	}
	if err != nil {
		return r, err
	}
	var calls []scriptCall
	for n, letters := range args {
		part := s.pushPartition(n)
		keys := part.push(e)
		calls = append(calls, scriptCall{[]string{part.events(), part.meta(), keys.retries, keys.dead}, letters})
	}
	for _, result := range s.runScripts(ctx, pushRedriveScript, calls) {
		counts, err := result.Int64Slice()
		if err != nil {
			return r, unavailable(err)
		}
		r.Dead, r.Gone = r.Dead+int(counts[0]), r.Gone+int(counts[1])
	}
	return r, s.probeNow(ctx, e)
}

// probeNow makes the next probe of an open circuit due now.
func (s *Store) probeNow(ctx context.Context, e push.EndpointID) error {
	_, _, err := s.changeCircuit(ctx, e, "now")
	return err
}

// pullRetry makes the waiting retries of one event due now. They are looked for in pages.
func (s *Store) pullRetry(ctx context.Context, e push.EndpointID, event string) (moved int, err error) {
	parts, err := s.partitionsOf(ctx, event)
	for _, part := range parts {
		count, err := s.pullRetryIn(ctx, part, part.push(e).retries, event)
		if moved += count; err != nil {
			return moved, unavailable(err)
		}
	}
	return moved, err
}

// partitionsOf returns the partition that has an event; all, where the pointer of its payment is gone.
func (s *Store) partitionsOf(ctx context.Context, event string) ([]partition, error) {
	id, _, _ := strings.Cut(event, ".")
	order, found, err := s.FindOrder(ctx, payment.ID(id))
	if err != nil || !found {
		return s.partitions(), err
	}
	return []partition{s.orderPartition(order)}, nil
}

func (s *Store) pullRetryIn(ctx context.Context, part partition, retries, event string) (moved int, err error) {
	members := map[string][]any{} // by the entry's id
	err = s.scanRetries(ctx, retries, func(member string, score float64) {
		if id, _, _ := strings.Cut(member, " "); score >= 0 {
			members[id] = append(members[id], member)
		}
	})
	if err != nil || len(members) == 0 {
		return 0, err
	}
	ids, err := s.entriesOf(ctx, part, slices.Sorted(maps.Keys(members)), event)
	if err != nil {
		return 0, err
	}
	args := []any{"all", pullAtOnce}
	for _, id := range ids {
		args = append(args, members[id]...)
	}
	if len(args) == 2 {
		return 0, nil
	}
	return pushPullScript.Run(ctx, s.redis, []string{part.meta(), retries}, args...).Int()
}

// entriesOf returns those of the stream ids whose entry is of the event. An entry is near its event's version; the
// others are read only if none is.
func (s *Store) entriesOf(ctx context.Context, part partition, ids []string, event string) ([]string, error) {
	_, version, _ := strings.Cut(event, ".")
	at := integer(version)
	near := func(id string) bool {
		ms := parsePosition(id).ms
		return ms >= at-beforeVersion.Milliseconds() && ms <= at+afterVersion.Milliseconds()
	}
	found, err := s.entriesAmong(ctx, part, slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return !near(id)
	}), event)
	if err != nil || len(found) > 0 {
		return found, err
	}
	return s.entriesAmong(ctx, part, slices.DeleteFunc(ids, near), event)
}

func (s *Store) entriesAmong(ctx context.Context, part partition, ids []string, event string) (
	found []string, err error,
) {
	for batch := range slices.Chunk(ids, retriesAtOnce) {
		replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, id := range batch {
				pipe.XRange(ctx, part.events(), id, id)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, reply := range replies {
			for _, m := range reply.(*redis.XMessageSliceCmd).Val() {
				if m.Values["id"] == event {
					found = append(found, m.ID)
				}
			}
		}
	}
	return found, nil
}
