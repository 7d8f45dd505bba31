package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var loadEventsSource = scriptSource("load_events")

func (s *Store) everyPartition() []int {
	all := make([]int, s.Partitions)
	for n := range all {
		all[n] = n
	}
	return all
}

// loadInto reads the pages of some partitions, each with so many entries at most.
func (s *Store) loadInto(
	ctx context.Context, parts []partitionPage, which []int, at cursor, q payment.FeedQuery, limit int,
) error {
	look := min(max(mostLooked/len(which), 1), lookedAtOnce)
	err := s.runLoadEvents(ctx, parts, which, func(n int) []any {
		args := []any{at.position(n).String(), limit, false, look, string(q.Order)}
		for _, name := range q.Types {
			args = append(args, name)
		}
		return args
	})
	for _, n := range which {
		full := len(parts[n].entries) == limit
		parts[n].more = full || (q.Filters() && parts[n].looked == look)
	}
	return err
}

// loadNewest reads the newest entry of every partition, and notes the epochs.
func (s *Store) loadNewest(ctx context.Context) ([]partitionPage, error) {
	parts := make([]partitionPage, s.Partitions)
	err := s.runLoadEvents(ctx, parts, s.everyPartition(), func(int) []any { return []any{"0-0", 1, true, 1, ""} })
	if err != nil {
		return nil, err
	}
	epochs := make([]string, s.Partitions)
	for n, part := range parts {
		epochs[n] = part.epoch
	}
	s.epochs.Store(&epochs)
	return parts, nil
}

// fillEpochs fills in the epochs of the partitions that a query for one order does not read, since a cursor's
// epoch is that of all partitions. They are read once, and again if the one partition or the cursor has an
// epoch that this process does not know. If another partition was lost, such a query may continue until then:
// its own partition has lost nothing.
func (s *Store) fillEpochs(ctx context.Context, parts []partitionPage, own int, at cursor) error {
	if known := s.epochs.Load(); known != nil && at.epoch != "" && (*known)[own] == parts[own].epoch {
		setEpochs(parts, *known)
		if at.epoch == epochOf(parts) {
			return nil
		}
	}
	newest, err := s.loadNewest(ctx)
	if err != nil {
		return err
	}
	for n, part := range newest {
		parts[n].epoch = part.epoch
	}
	return nil
}

func setEpochs(parts []partitionPage, epochs []string) {
	for n := range parts {
		parts[n].epoch = epochs[n]
	}
}

// runLoadEvents runs load_events.lua for some partitions, in one round trip.
func (s *Store) runLoadEvents(ctx context.Context, parts []partitionPage, which []int, args func(n int) []any) error {
	replies, err := s.Readers.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, n := range which {
			part := s.partitionAt(n)
			pipe.Eval(ctx, loadEventsSource, []string{part.events(), s.meta(part)}, args(n)...)
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	for i, reply := range replies {
		values, err := reply.(*redis.Cmd).Slice()
		if err != nil {
			return unavailable(err)
		}
		parts[which[i]] = readPage(values)
	}
	return nil
}

func readPage(values []any) partitionPage {
	var part partitionPage
	if dropped, ok := values[2].(string); ok {
		part.dropped = parsePosition(dropped)
	}
	part.now, _ = values[0].(int64)
	part.epoch, _ = values[1].(string)
	entries, _ := values[3].([]any)
	for _, entry := range entries {
		part.entries = append(part.entries, readEntry(entry))
	}
	if passed, ok := values[4].(string); ok {
		part.passed = parsePosition(passed)
	}
	looked, _ := values[5].(int64)
	part.looked = int(looked)
	return part
}

// readEntry reads a stream's entry as a script returns it.
func readEntry(entry any) redis.XMessage {
	pair, _ := entry.([]any)
	id, _ := pair[0].(string)
	fields, _ := pair[1].([]any)
	message := redis.XMessage{ID: id, Values: map[string]any{}}
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		message.Values[name] = fields[i+1]
	}
	return message
}
