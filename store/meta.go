package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// schema is the version of the layout that the package comment describes.
const schema = "2"

// Identity names the owner of a Redis's payments. It is written once into every partition.
type Identity struct {
	Account  string // Stripe's, "acct_…"; empty while it is not known
	Livemode bool
	Service  string
}

// ErrUnmarked is the error of a Redis with a partition that has no mark: it is new, or its data was
// lost.
var ErrUnmarked = errors.New("this Redis is not initialised")

// ErrOtherSchema is the error of a Redis that was written in another layout.
var ErrOtherSchema = errors.New("another layout")

var (
	markScript       = script("mark")
	setAccountScript = script("set_account")
)

// Check compares the marks in Redis with the identity. It returns an error that names a difference,
// ErrUnmarked if a mark is missing, or ErrUnfinished during a rebuild. It returns the account that all marks
// contain.
func (s *Store) Check(ctx context.Context, want Identity) (account string, err error) {
	marks, rebuilding, err := s.marks(ctx)
	if err != nil {
		return "", err
	}
	missing := false
	account = marks[0].account
	for _, found := range marks {
		if found.schema == "" {
			missing = true
			continue
		}
		if err := found.compare(s.mark(want)); err != nil {
			return "", err
		}
		if found.account == "" {
			account = ""
		}
	}
	switch {
	case slices.Contains(rebuilding, true):
		return "", ErrUnfinished
	case missing:
		return "", ErrUnmarked
	}
	return account, nil
}

// IsReplica reports whether the server is a replica, which accepts no writes and may have old data. In a
// cluster go-redis finds the masters. A server that refuses the command counts as a master.
func (s *Store) IsReplica(ctx context.Context) bool {
	if _, cluster := s.redis.(*redis.ClusterClient); cluster {
		return false
	}
	text, err := s.redis.Info(ctx, "replication").Result()
	return err == nil && info(text)["role"] == "slave"
}

// Mark writes the identity into every partition that has no mark, each with an epoch of its own:
// after a loss and a new mark the partition has other events, so old cursors must not match. The
// first mark of partition 0 decides the owner. If two processes start at once, either both succeed,
// or one fails because of the other's identity.
func (s *Store) Mark(ctx context.Context, id Identity) error {
	return s.markAll(ctx, id, func(part partition) []string { return []string{part.meta(), part.rebuild()} })
}

// markAll writes a mark under the first key of every partition in which none of the keys has a
// mark.
func (s *Store) markAll(ctx context.Context, id Identity, keys func(partition) []string) error {
	wanted := s.mark(id)
	for _, part := range s.partitions() {
		wanted.epoch = rand.Text()[:epochLength]
		reply, err := markScript.Run(ctx, s.redis, keys(part), wanted.fields()...).StringSlice()
		if err != nil {
			return unavailable(err)
		}
		found := readMark(reply)
		if err := found.compare(wanted); err != nil {
			return err
		}
		if part == s.partitionAt(0) {
			wanted = found
		}
	}
	return nil
}

// SetAccount writes the Stripe account into the marks that have none, and fails if a mark has
// another account.
func (s *Store) SetAccount(ctx context.Context, account string) error {
	for _, part := range s.partitions() {
		known, err := setAccountScript.Run(ctx, s.redis, []string{s.meta(part)}, account).Text()
		if err != nil {
			return unavailable(err)
		}
		if known != account {
			return otherAccount(known, account)
		}
	}
	return nil
}

// mark is the identity in a partition's meta. Without a schema there is no mark, since a mark is written as a
// whole.
type mark struct {
	schema, account, livemode, service, partitions, epoch string
}

func (s *Store) mark(id Identity) mark {
	return mark{
		schema: schema, account: id.Account, livemode: strconv.FormatBool(id.Livemode), service: id.Service,
		partitions: strconv.Itoa(s.Partitions),
	}
}

func (m mark) fields() []any {
	return []any{
		"schema", m.schema, "account", m.account, "livemode", m.livemode, "service", m.service,
		"partitions", m.partitions, "epoch", m.epoch,
	}
}

// readMark reads HGETALL's alternating names and values.
func readMark(reply []string) mark {
	fields := map[string]string{}
	for i := 0; i+1 < len(reply); i += 2 {
		fields[reply[i]] = reply[i+1]
	}
	return markOf(fields)
}

func markOf(fields map[string]string) mark {
	return mark{
		schema: fields["schema"], account: fields["account"], livemode: fields["livemode"], service: fields["service"],
		partitions: fields["partitions"], epoch: fields["epoch"],
	}
}

// compare returns an error for operators that names the first difference from the mark that is wanted.
func (m mark) compare(wanted mark) error {
	const elsewhere = "point REDIS_URL at another Redis"
	modes := map[string]string{"true": "live", "false": "test"}
	switch {
	case m.schema != wanted.schema:
		return fmt.Errorf("%w: this Redis was written in layout %q and this program reads layout %q: "+
			"run kasse rebuild -discard, which removes Kasse's keys and restores them from Stripe, "+
			"or run the version that wrote it, or %s",
			ErrOtherSchema, m.schema, wanted.schema, elsewhere)
	case m.livemode != wanted.livemode:
		return fmt.Errorf("this Redis holds %s payments and the Stripe keys are %s keys: %s",
			modes[m.livemode], modes[wanted.livemode], elsewhere)
	case m.service != wanted.service:
		return fmt.Errorf("this Redis belongs to the service %q and SERVICE_NAME is %q: %s",
			m.service, wanted.service, elsewhere)
	case m.partitions != wanted.partitions:
		return fmt.Errorf("this Redis was initialised with %s partitions and REDIS_PARTITIONS is %s: "+
			"set it back, since it cannot be changed later", m.partitions, wanted.partitions)
	case m.account != "" && wanted.account != "" && m.account != wanted.account:
		return otherAccount(m.account, wanted.account)
	}
	return nil
}

func otherAccount(recorded, ours string) error {
	return fmt.Errorf("this Redis belongs to the Stripe account %s and the Stripe keys to %s: "+
		"point REDIS_URL at another Redis", recorded, ours)
}

func (s *Store) partitions() []partition {
	parts := make([]partition, 0, s.Partitions)
	for n := range s.Partitions {
		parts = append(parts, s.partitionAt(n))
	}
	return parts
}

// marks reads the mark of every partition, and whether it is being rebuilt.
func (s *Store) marks(ctx context.Context) (marks []mark, rebuilding []bool, err error) {
	var metas []*redis.MapStringStringCmd
	var begun []*redis.IntCmd
	_, err = s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, part := range s.partitions() {
			metas = append(metas, pipe.HGetAll(ctx, part.meta()))
			begun = append(begun, pipe.Exists(ctx, part.rebuild()))
		}
		return nil
	})
	if err != nil {
		return nil, nil, unavailable(err)
	}
	for i := range metas {
		marks = append(marks, markOf(metas[i].Val()))
		rebuilding = append(rebuilding, begun[i].Val() > 0)
	}
	return marks, rebuilding, nil
}
