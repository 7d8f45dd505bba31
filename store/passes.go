package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var passesScript = script("passes")

// passLasts is how long after its last RequestPass a request expires: the command that made it has died.
const passLasts = 15 * time.Second

// The states of a request.
const (
	passWaiting = "waiting"
	passRunning = "running"
	passDone    = "done"
)

// passesHint is the message that a new request publishes in partition 0. No order has such an id.
const passesHint = ":passes"

// RequestPass requests a pass and returns its progress. It is repeated to follow the pass; otherwise the
// request expires after 15 seconds.
func (s *Store) RequestPass(ctx context.Context, r payment.PassRequest) (payment.PassStanding, error) {
	verify := "0"
	if r.Verify {
		verify = "1"
	}
	channel := s.partitionAt(0).changed()
	reply, err := s.runPasses(ctx, "request", r.ID, max(r.From.Unix(), 0), verify, channel, passesHint).Slice()
	if err != nil {
		return payment.PassStanding{}, unavailable(err)
	}
	text := func(i int) string { word, _ := reply[i].(string); return word }
	first, _ := reply[0].(int64)
	result, err := payment.DecodePassResult([]byte(text(3)))
	return payment.PassStanding{
		First: first == 1, Started: text(1) != passWaiting, Holder: text(2), Done: text(1) == passDone,
		PassResult: result,
	}, corruptPass(err)
}

// WithdrawPass ends a request. The next ReportPass then returns false to the server that makes the pass.
func (s *Store) WithdrawPass(ctx context.Context, id string) error {
	return unavailable(s.runPasses(ctx, "withdraw", id).Err())
}

// ClaimPass returns the oldest request that is not done, for the holder of the lease to make the pass; false where
// there is none. One that another holder has begun is begun again. It sends Redis a command after a hint, and at
// intervals.
func (s *Store) ClaimPass(ctx context.Context, holder string) (r payment.PassRequest, found bool, err error) {
	if len(s.looks.due(queuePasses, 1)) == 0 {
		return r, false, nil
	}
	reply, err := s.runPasses(ctx, "claim", holder).StringSlice()
	if err == nil && len(reply) < 3 {
		return r, false, nil
	}
	s.looks.hint(queuePasses, 0) // the next call asks Redis at once, after an error or for another request
	if err != nil {
		return r, false, unavailable(err)
	}
	from := time.Unix(integer(reply[1]), 0).UTC()
	return payment.PassRequest{ID: reply[0], From: from, Verify: reply[2] == "1"}, true, nil
}

// ReportPass stores the progress of the holder's pass, or its result. It returns false if no command waits for it
// any more, or another holder has started it again.
func (s *Store) ReportPass(ctx context.Context, id, holder string, done bool, r payment.PassResult) (bool, error) {
	state := passRunning
	if done {
		state = passDone
	}
	wanted, err := s.runPasses(ctx, "report", id, holder, state, r.Encode()).Bool()
	return wanted, unavailable(err)
}

// LeaseHolder returns the owner of the lease of that name; empty where it is free.
func (s *Store) LeaseHolder(ctx context.Context, name string) (string, error) {
	owner, err := s.redis.Get(ctx, s.partitionAt(0).lease(name)).Result()
	return owner, unavailable(ignoreNil(err))
}

func (s *Store) runPasses(ctx context.Context, verb string, args ...any) *redis.Cmd {
	part := s.partitionAt(0)
	args = append([]any{verb, passLasts.Milliseconds()}, args...)
	return passesScript.Run(ctx, s.redis, []string{part.passes(), s.meta(part)}, args...)
}

func corruptPass(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(errors.Join(errors.New("the result of a pass cannot be read"), err))
}
