package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/push"
)

var (
	pushRegisterScript = script("push_register")
	pushClaimScript    = script("push_claim")
	pushFinishScript   = script("push_finish")
	pushFailScript     = script("push_fail")
	pushPullScript     = script("push_pull")
	pushSwitchScript   = script("push_switch")
)

const (
	deadLetters  = 1_000  // kept of one endpoint in one partition
	logLines     = 50     // kept of one endpoint in one partition
	pullAtOnce   = 10_000 // retries of one partition that one call moves at most
	replyNoGroup = "NOGROUP"
)

// PartitionCount returns the number of partitions.
func (s *Store) PartitionCount() int { return s.Partitions }

// pushPartition is the partition whose stream pushes read.
func (s *Store) pushPartition(n int) partition { return s.partitionAt(n) }

// RegisterEndpoint makes an endpoint known: it gets the events appended from now on. A known one
// goes on from its position.
func (s *Store) RegisterEndpoint(ctx context.Context, e push.EndpointID) error {
	for n := range s.Partitions {
		if err := s.registerEndpoint(ctx, n, e); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

func (s *Store) registerEndpoint(ctx context.Context, n int, e push.EndpointID) error {
	part := s.pushPartition(n)
	keys := part.push(e)
	return pushRegisterScript.Run(ctx, s.redis, []string{part.events(), part.meta(), keys.share}, keys.group).Err()
}

// ClaimPushes asks partitions for deliveries, in one round trip.
func (s *Store) ClaimPushes(ctx context.Context, c push.Claim) []push.Work {
	calls := make([]pushCall, len(c.Shares))
	for i, share := range c.Shares {
		keys := s.pushPartition(share.Partition).push(c.Endpoint)
		calls[i] = pushCall{
			share.Partition,
			[]string{keys.share, keys.retries},
			[]any{
				keys.group, c.Owner, c.Lease.Milliseconds(), share.HeldFirst, share.First, share.HeldRetries,
				share.Retries, share.Probe,
			},
		}
	}
	works := make([]push.Work, len(calls))
	for i, reply := range s.pushes.run(ctx, callClaim, calls) {
		err := reply.err
		// Redis was emptied, and marked again.
		if reply.answer == replyNoGroup || redis.HasErrorPrefix(err, replyNoGroup) {
			err = s.registerEndpoint(ctx, c.Shares[i].Partition, c.Endpoint)
		}
		works[i] = readWork(reply)
		works[i].Err = unavailable(err)
	}
	return works
}

// readWork reads an answer of push_claim.lua. No answer is no work.
func readWork(reply pushReply) push.Work {
	w := push.Work{NextRetry: -1}
	values, _ := reply.answer.([]any)
	if len(values) < 10 {
		return w
	}
	number := func(i int) int64 { n, _ := values[i].(int64); return n }
	span := func(i int) time.Duration { return time.Duration(number(i)) * time.Millisecond }
	w.Disabled = values[0] == "disabled"
	if values[0] == "elsewhere" {
		w.OwnedElsewhere = max(span(1), time.Millisecond)
	}
	w.Lost, w.Waiting, w.Retries = int(number(2)), int(number(5)), int(number(6))
	if number(7) >= 0 {
		w.NextRetry = span(7)
	}
	w.Circuit = push.Circuit{Open: number(8) == 1, ProbeIn: span(9)}
	first, _ := values[3].([]any)
	retries, _ := values[4].([]any)
	w.Deliveries = make([]push.Delivery, 0, len(first)+len(retries))
	for _, entry := range first {
		w.Deliveries = append(w.Deliveries, push.Delivery{Event: reply.entry(entry)})
	}
	for _, retry := range retries {
		pair, _ := retry.([]any)
		member, _ := pair[0].(string)
		d := parseRetry(member)
		d.Event, d.Early = reply.entry(pair[1]), d.Due > reply.now
		w.Deliveries = append(w.Deliveries, d)
	}
	if len(retries) > 0 {
		slices.SortStableFunc(w.Deliveries, func(a, b push.Delivery) int {
			return parsePosition(a.Event.Entry).compare(parsePosition(b.Event.Entry))
		})
	}
	return w
}

// entry returns the entry with this number.
func (r pushReply) entry(number any) payment.FeedEvent {
	n, _ := number.(int64)
	return r.entries[n-1]
}

func pushedEvent(entry any, partition int) payment.FeedEvent {
	message := readEntry(entry)
	return feedEvent(message, parsePosition(message.ID), partition)
}

// parseRetry parses a member of the retries: stream id, finished tries, due time in Unix milliseconds, and
// "asked" if the endpoint has set the time. Of the event only the stream id is set.
func parseRetry(member string) push.Delivery {
	fields := strings.Fields(member)
	d := push.Delivery{Retry: true}
	d.Event.Entry = fields[0]
	if len(fields) > 1 {
		d.Tries = int(integer(fields[1]))
	}
	if len(fields) > 2 {
		d.Due = integer(fields[2])
	}
	d.Asked = len(fields) > 3
	return d
}

// retryMember is the member of the retries that parseRetry reads.
func retryMember(d push.Delivery) string {
	member := d.Event.Entry + " " + strconv.Itoa(d.Tries) + " " + strconv.FormatInt(d.Due, 10)
	if d.Asked {
		member += " asked"
	}
	return member
}

// FinishPushes removes deliveries that succeeded or are skipped, in one round trip.
func (s *Store) FinishPushes(ctx context.Context, e push.EndpointID, done []push.Attempt) error {
	type finished struct{ ids, members, lines []any }
	parts := map[int]*finished{}
	var order []int
	for _, a := range done {
		f := parts[a.Event.Partition]
		if f == nil {
			f = &finished{}
			parts[a.Event.Partition] = f
			order = append(order, a.Event.Partition)
		}
		if a.Retry {
			f.members = append(f.members, retryMember(a.Delivery))
		} else {
			f.ids = append(f.ids, a.Event.Entry)
		}
		if !a.Skipped {
			f.lines = append(f.lines, logLine(a))
		}
	}
	calls := make([]pushCall, len(order))
	for i, n := range order {
		keys, f := s.pushPartition(n).push(e), parts[n]
		args := append([]any{keys.group, len(f.ids)}, f.ids...)
		args = append(append(args, len(f.members)), f.members...)
		args = append(append(args, len(f.lines)), f.lines...)
		calls[i] = pushCall{n, []string{keys.retries, keys.log}, args}
	}
	var failed error
	for _, reply := range s.pushes.run(ctx, callFinish, calls) {
		if reply.err != nil {
			failed = unavailable(reply.err)
		}
	}
	return failed
}

// RetryPush moves a failed delivery to the retries, due after the delay. An early one keeps its
// tries and its due time.
func (s *Store) RetryPush(
	ctx context.Context, e push.EndpointID, a push.Attempt, delay time.Duration, asked bool,
) error {
	tries := strconv.Itoa(a.Tries + 1)
	if a.Early {
		tries = "same"
	}
	return s.failPush(ctx, e, a, tries, delay, asked)
}

// DeadLetterPush moves a failed delivery to the dead letters, of which the newest are kept.
func (s *Store) DeadLetterPush(ctx context.Context, e push.EndpointID, a push.Attempt) error {
	return s.failPush(ctx, e, a, "", 0, false)
}

func (s *Store) failPush(
	ctx context.Context, e push.EndpointID, a push.Attempt, tries string, delay time.Duration, asked bool,
) error {
	part := s.pushPartition(a.Event.Partition)
	keys := part.push(e)
	member, mark := "", ""
	if a.Retry {
		member = retryMember(a.Delivery)
	}
	if asked {
		mark = " asked"
	}
	return unavailable(pushFailScript.Run(ctx, s.redis,
		[]string{part.events(), part.meta(), keys.retries, keys.dead, keys.log},
		keys.group, a.Event.Entry, member, tries, delay.Milliseconds(), mark, deadLetters,
		a.Event.ID, a.Event.Type, a.Tries+1, cut(a.Reason), logLines, logLine(a)).Err())
}

// PullRetriesForward makes waiting retries due now, except those whose delay the endpoint has set.
func (s *Store) PullRetriesForward(ctx context.Context, e push.EndpointID) (moved int, err error) {
	return s.pullRetries(ctx, e, "")
}

// pullRetries makes waiting retries due now; which is all, or empty.
func (s *Store) pullRetries(ctx context.Context, e push.EndpointID, which string) (moved int, err error) {
	calls := make([]scriptCall, s.Partitions)
	for n := range calls {
		part := s.pushPartition(n)
		calls[n] = scriptCall{[]string{part.meta(), part.push(e).retries}, []any{which, pullAtOnce}}
	}
	for _, result := range s.runScripts(ctx, pushPullScript, calls) {
		count, failed := result.Int()
		if moved += count; failed != nil {
			err = unavailable(failed)
		}
	}
	return moved, err
}

// DisablePushes stops the deliveries to an endpoint, for all processes, until EnablePushes. It
// reports whether that was a change.
func (s *Store) DisablePushes(ctx context.Context, e push.EndpointID, cause push.DisableCause) (bool, error) {
	return s.switchPushes(ctx, e, string(cause))
}

// EnablePushes lets an endpoint go on from its position. It reports whether that was a change.
func (s *Store) EnablePushes(ctx context.Context, e push.EndpointID) (bool, error) {
	return s.switchPushes(ctx, e, "")
}

// switchPushes changes partition 0 last: workers follow that one.
func (s *Store) switchPushes(ctx context.Context, e push.EndpointID, cause string) (changed bool, err error) {
	for n := s.Partitions - 1; n >= 0; n-- {
		part := s.pushPartition(n)
		made, err := pushSwitchScript.Run(ctx, s.redis, []string{part.meta(), part.push(e).share}, cause).Bool()
		if err != nil {
			return changed, unavailable(err)
		}
		changed = changed || made
	}
	return changed, nil
}
