package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// schema is the version of the layout that the package comment describes.
const schema = "1"

// Identity says whose payments a Redis holds. It is written once into every partition.
type Identity struct {
	Account  string // Stripe's, "acct_…"; empty while Stripe has not told
	Livemode bool
	Service  string
}

// ErrUnmarked says that at least one partition of this Redis is not marked as ours: it is new, or it was wiped.
var ErrUnmarked = errors.New("this Redis is not initialised")

// Check compares the marks in Redis with the identity. It fails with ErrUnmarked where one is missing, and in plain
// words where one differs. It returns the account that is on record.
func (s *Store) Check(ctx context.Context, want Identity) (account string, err error) {
	marks, err := s.marks(ctx)
	if err != nil {
		return "", err
	}
	for _, mark := range marks {
		if len(mark) == 0 {
			return "", ErrUnmarked
		}
		if err := s.compare(mark, want); err != nil {
			return "", err
		}
	}
	return marks[0]["account"], nil
}

func (s *Store) compare(mark map[string]string, want Identity) error {
	expected := map[string]string{
		"schema": schema, "livemode": strconv.FormatBool(want.Livemode), "service": want.Service, "partitions": strconv.Itoa(s.Partitions),
	}
	for field, value := range expected {
		if mark[field] != value {
			return fmt.Errorf("this Redis belongs to %s %q, and the configuration says %q: point REDIS_URL at another one", field, mark[field], value)
		}
	}
	if want.Account != "" && mark["account"] != "" && mark["account"] != want.Account {
		return fmt.Errorf("this Redis belongs to Stripe account %s, and the key to %s", mark["account"], want.Account)
	}
	return nil
}

// Mark writes the identity into every partition. Whoever is first at partition 0 decides the epoch, so that two that
// start at once agree.
func (s *Store) Mark(ctx context.Context, id Identity) error {
	first := s.paymentPartitionAt(0).meta()
	if err := s.redis.HSetNX(ctx, first, "epoch", rand.Text()[:8]).Err(); err != nil {
		return unavailable(err)
	}
	epoch, err := s.redis.HGet(ctx, first, "epoch").Result()
	if err != nil {
		return unavailable(err)
	}
	for _, part := range s.partitions() {
		err := s.redis.HSet(ctx, part.meta(), "schema", schema, "account", id.Account, "livemode", strconv.FormatBool(id.Livemode),
			"service", id.Service, "partitions", s.Partitions, "epoch", epoch).Err()
		if err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// Remember writes the Stripe account where a mark has none yet.
func (s *Store) Remember(ctx context.Context, account string) error {
	for _, part := range s.partitions() {
		if err := s.redis.HSet(ctx, part.meta(), "account", account).Err(); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

func (s *Store) partitions() []partition {
	parts := make([]partition, 0, 2*s.Partitions)
	for n := range s.Partitions {
		parts = append(parts, s.paymentPartitionAt(n), s.orderPartitionAt(n))
	}
	return parts
}

func (s *Store) marks(ctx context.Context) ([]map[string]string, error) {
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, part := range s.partitions() {
			pipe.HGetAll(ctx, part.meta())
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	marks := make([]map[string]string, len(replies))
	for i, reply := range replies {
		marks[i] = reply.(*redis.MapStringStringCmd).Val()
	}
	return marks, nil
}
