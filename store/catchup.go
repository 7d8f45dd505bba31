package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var saveCatchUpScript = script("save_catch_up")

// LoadCatchUp returns the time up to which Stripe's events have been caught up with, zero before the first
// catch-up, and Redis's clock. Each partition has a cursor of its own, and the oldest counts. A partition
// that went back in time has an old cursor or none, independently of the others, so the events that it lost
// are listed again.
func (s *Store) LoadCatchUp(ctx context.Context) (done, now time.Time, err error) {
	pipe := s.redis.Pipeline()
	var stored []*redis.StringCmd
	for _, part := range s.partitions() {
		stored = append(stored, pipe.Get(ctx, part.catchUp()))
	}
	clock := pipe.Time(ctx)
	_, _ = pipe.Exec(ctx) // each reply has its own error
	if clock.Err() != nil {
		return done, now, unavailable(clock.Err())
	}
	for i, reply := range stored {
		if err := ignoreNil(reply.Err()); err != nil {
			return done, now, unavailable(err)
		}
		seconds, err := strconv.ParseInt(reply.Val(), 10, 64)
		if err != nil {
			return time.Time{}, clock.Val(), nil //nolint:nilerr // no cursor: all of the first period is listed
		}
		if at := time.Unix(seconds, 0); i == 0 || at.Before(done) {
			done = at
		}
	}
	return done, clock.Val(), nil
}

// BeginCatchUp returns where a pass begins. The masters are read first, so that a failover after that is noticed.
func (s *Store) BeginCatchUp(ctx context.Context) (began payment.CatchUp, err error) {
	if began.Masters, err = s.histories(ctx); err != nil {
		return began, err
	}
	began.Done, began.Now, err = s.LoadCatchUp(ctx)
	return began, err
}

// SaveCatchUp stores the start of a finished pass as the cursor of every partition; no cursor goes back. Redis
// replicates a cursor after what the pass wrote in its partition before: a failover that loses these writes loses the
// cursor, too. A failover during the pass would lose only the writes: then nothing is stored, and the error is
// payment.ErrFailover. Only a failover between this check and the write of the cursor goes unnoticed.
func (s *Store) SaveCatchUp(ctx context.Context, began payment.CatchUp) error {
	if began.Masters != "" {
		switch masters, err := s.histories(ctx); {
		case err != nil:
			return err
		case masters != began.Masters:
			return payment.ErrFailover
		}
	}
	for _, part := range s.partitions() {
		err := saveCatchUpScript.Run(ctx, s.redis, []string{part.catchUp(), s.meta(part)}, began.Now.Unix()).Err()
		if err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// histories returns the replication id of each partition's master, which a promotion and a restart replace. It is empty
// if a server refuses the command.
func (s *Store) histories(ctx context.Context) (string, error) {
	known := map[redis.Cmdable]string{} // of each master
	var all []string
	for _, part := range s.partitions() {
		var master redis.Cmdable = s.redis
		if cluster, ok := s.redis.(*redis.ClusterClient); ok {
			var err error
			if master, err = cluster.MasterForKey(ctx, part.catchUp()); err != nil {
				return "", unavailable(err)
			}
		}
		id, read := known[master]
		if !read {
			text, err := master.Info(ctx, "replication").Result()
			if refusal := redis.Error(nil); errors.As(err, &refusal) {
				return "", nil
			} else if err != nil {
				return "", unavailable(err)
			}
			id = info(text)["master_replid"]
			known[master] = id
		}
		if id == "" {
			return "", nil
		}
		all = append(all, id)
	}
	return strings.Join(all, " "), nil
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
