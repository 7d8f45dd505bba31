package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/push"
)

// PushStanding is how far the deliveries to an endpoint are, over all partitions.
type PushStanding struct {
	Registered bool              // in all partitions
	Disabled   push.DisableCause // empty: it is enabled
	DisabledAt time.Time         // zero: it is enabled
	Waiting    int64             // events that no worker has claimed
	Pending    int64             // first deliveries under way or held back
	Retries    int64             // retries and replayed events, due or not
	DueRetries int64             // those of Retries that may be made now
	Dead       int64             // given up
	Oldest     time.Time         // when an event of Pending or the next retry was appended; zero: there is none
	Failing    time.Time         // since when the circuit is open; zero: it is closed
	NextProbe  time.Time         // while the circuit is open
}

// commandsPerStanding is how many commands LoadPushes sends for a partition.
const commandsPerStanding = 8

// LoadPushes returns how far the deliveries to an endpoint are, in one round trip.
func (s *Store) LoadPushes(ctx context.Context, e push.EndpointID) (PushStanding, error) {
	standing := PushStanding{Registered: true}
	now := strconv.FormatInt(time.Now().UnixMilli(), 10) //nolint:forbidigo // it is shown, and decides nothing
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			part := s.pushPartition(n)
			keys := part.push(e)
			pipe.HMGet(ctx, keys.share, "passed", "disabled", "failing", "probe")
			pipe.HGet(ctx, part.meta(), "dropped")
			pipe.XLen(ctx, part.events())
			pipe.XPending(ctx, part.events(), keys.group)
			pipe.ZCard(ctx, keys.retries)
			pipe.ZRange(ctx, keys.retries, 0, 0)
			pipe.XLen(ctx, keys.dead)
			pipe.ZCount(ctx, keys.retries, "-inf", now)
		}
		return nil
	})
	for _, reply := range replies {
		err := reply.Err()
		if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, replyNoGroup) {
			return standing, unavailable(err)
		}
	}
	if len(replies) == 0 {
		return standing, unavailable(err)
	}
	for ; len(replies) >= commandsPerStanding; replies = replies[commandsPerStanding:] {
		standing.add(replies)
	}
	return standing, nil
}

// add counts a partition. One in which the endpoint is not registered may have replayed events all
// the same.
func (p *PushStanding) add(replies []redis.Cmder) {
	p.Retries += replies[4].(*redis.IntCmd).Val()
	p.DueRetries += replies[7].(*redis.IntCmd).Val()
	if next := replies[5].(*redis.StringSliceCmd).Val(); len(next) > 0 {
		p.Oldest = older(p.Oldest, next[0])
	}
	p.Dead += replies[6].(*redis.IntCmd).Val()
	share := replies[0].(*redis.SliceCmd).Val()
	if len(share) < 4 || share[0] == nil {
		p.Registered = false
		return
	}
	field := func(i int) string { text, _ := share[i].(string); return text }
	if at, cause, found := strings.Cut(field(1), " "); found {
		p.Disabled, p.DisabledAt = push.DisableCause(cause), time.Unix(integer(at), 0).UTC()
	}
	if since := integer(field(2)); since > 0 {
		p.Failing, p.NextProbe = time.UnixMilli(since).UTC(), time.UnixMilli(integer(field(3))).UTC()
	}
	appended := replies[2].(*redis.IntCmd).Val() + integer(replies[1].(*redis.StringCmd).Val())
	p.Waiting += max(appended-integer(field(0)), 0)
	if pending := replies[3].(*redis.XPendingCmd).Val(); pending != nil {
		p.Pending += pending.Count
		p.Oldest = older(p.Oldest, pending.Lower)
	}
}

// older is the earlier of a time and that of a stream id; each may be missing.
func older(at time.Time, id string) time.Time {
	if id == "" {
		return at
	}
	ms, _, _ := strings.Cut(id, "-")
	if of := time.UnixMilli(integer(ms)); at.IsZero() || of.Before(at) {
		return of
	}
	return at
}

// LoggedPush is one finished try, as the log of an endpoint keeps it.
type LoggedPush struct {
	At     time.Time     // when it was recorded, by Redis's clock
	Status int           // HTTP status; 0: there was no response
	Took   time.Duration // of the request and its response
	Try    int           // from 1
	Event  string
	Type   string
	Reason string // empty: it was delivered
}

// logLine is a line of the log without its time, which a script adds.
func logLine(a push.Attempt) string {
	line := strconv.Itoa(a.Status) + " " + strconv.FormatInt(
		a.Took.Milliseconds(), 10,
	) + " " + strconv.Itoa(a.Tries+1) +
		" " + a.Event.ID + " " + a.Event.Type
	if a.Reason != "" {
		line += " " + cut(a.Reason)
	}
	return line
}

func parseLogLine(line string) (p LoggedPush, ok bool) {
	fields := strings.SplitN(line, " ", 7)
	if len(fields) < 6 {
		return p, false
	}
	p = LoggedPush{
		At: time.UnixMilli(integer(fields[0])).UTC(), Status: int(integer(fields[1])),
		Took: time.Duration(integer(fields[2])) * time.Millisecond, Try: int(integer(fields[3])),
		Event: fields[4], Type: fields[5],
	}
	if len(fields) == 7 {
		p.Reason = fields[6]
	}
	return p, true
}

// LoadPushLog returns the last tries of deliveries to an endpoint, the newest first. At most
// logLines of each partition are kept.
func (s *Store) LoadPushLog(ctx context.Context, e push.EndpointID, limit int) ([]LoggedPush, error) {
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.LRange(ctx, s.pushPartition(n).push(e).log, 0, -1)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	var all []LoggedPush
	for _, reply := range replies {
		for _, line := range reply.(*redis.StringSliceCmd).Val() {
			if p, ok := parseLogLine(line); ok {
				all = append(all, p)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b LoggedPush) int { return b.At.Compare(a.At) })
	return all[:min(len(all), limit)], nil
}
