package store_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// commandCounts returns how often each command ran since the last ConfigResetStat, those of scripts included.
func commandCounts(t *testing.T, client redis.UniversalClient) map[string]int {
	t.Helper()
	text, err := client.Info(t.Context(), "commandstats").Result()
	must(t, err)
	all := map[string]int{}
	for _, line := range regexp.MustCompile(`cmdstat_(\w+):calls=(\d+)`).FindAllStringSubmatch(text, -1) {
		all[line[1]], _ = strconv.Atoi(line[2])
	}
	return all
}

const (
	pruneBuckets = 150
	pruneEntries = pruneBuckets * 128
	pruneKey     = "kasse:{p0}:prune"
)

// pruned is a Redis with an index of many orders in one partition, and two replicas that prune it by turns.
type pruned struct {
	client   redis.UniversalClient
	replicas [2]*store.Store
}

func newPruned(t *testing.T) *pruned {
	t.Helper()
	ctx := t.Context()
	p := &pruned{client: connect(t, storetest.RedisServer(t))}
	o := options
	o.Partitions = 1
	for i := range p.replicas {
		p.replicas[i] = store.New(p.client, o)
	}
	must(t, p.replicas[0].Mark(ctx, store.Identity{Service: "kasse"}))
	pipe := p.client.Pipeline()
	for bucket := range pruneBuckets {
		first := bucket * 128
		created, customers := make([]redis.Z, 128), make([]redis.Z, 128)
		for i := range created {
			id := fmt.Sprintf("o%06d", first+i)
			created[i] = redis.Z{Score: float64(prunedAt(first + i)), Member: id}
			member := fmt.Sprintf("%08s%s", strconv.FormatInt(prunedAt(first+i), 36), id)
			customers[i] = redis.Z{Score: float64(first + i + 1), Member: member}
			pipe.HSet(ctx, "kasse:{p0}:order:"+id, "order", "")
		}
		for index, entries := range map[string][]redis.Z{"created": created, "customer": customers} {
			start := strconv.FormatFloat(entries[0].Score, 'f', -1, 64)
			pipe.ZAdd(ctx, "kasse:{p0}:index:"+index, redis.Z{Score: entries[0].Score, Member: start})
			pipe.ZAdd(ctx, "kasse:{p0}:index:"+index+":"+start, entries...)
		}
	}
	_, err := pipe.Exec(ctx)
	must(t, err)
	return p
}

// prunedAt is when the n-th order was created, in Unix milliseconds.
func prunedAt(n int) int64 { return 1_764_288_000_000 + int64(n)*1_000 }

// pass runs a whole pass, and returns its first step, how many steps it took, and how many orders it removed.
func (p *pruned) pass(t *testing.T) (first payment.PruneStep, steps, gone int) {
	t.Helper()
	for ; steps <= 3*pruneBuckets; steps++ {
		step, err := p.replicas[steps%2].PruneIndex(t.Context())
		must(t, err)
		if steps == 0 {
			first = step
		}
		if gone += step.Gone; step.Left == 0 {
			return first, steps + 1, gone
		}
	}
	t.Fatal("the pass does not end")
	return first, steps, gone
}

// shiftBegin moves the beginning of the last pass.
func (p *pruned) shiftBegin(t *testing.T, by time.Duration) {
	t.Helper()
	must(t, p.client.HIncrBy(t.Context(), pruneKey, "began", by.Milliseconds()).Err())
}

// TestPruneIsSpreadAndShared: a pass takes small steps that are spread over hours, all replicas share one pass, and
// a replica that starts after it has nothing to do.
func TestPruneIsSpreadAndShared(t *testing.T) {
	p := newPruned(t)
	first, steps, gone := p.pass(t)
	if steps != 2*pruneBuckets || gone != 0 {
		t.Errorf("the first pass took %d steps for %d buckets, and removed %d orders", steps, 2*pruneBuckets, gone)
	}
	if spread := first.Wait * time.Duration(first.Left); spread < 4*time.Hour || spread > 5*time.Hour {
		t.Errorf("after the first step it waits %s with %d steps left: want 5 hours in all", first.Wait, first.Left)
	}
	must(t, p.client.ConfigResetStat(t.Context()).Err())
	for _, replica := range p.replicas {
		step, err := replica.PruneIndex(t.Context())
		must(t, err)
		if step.Left != 0 || step.Wait < 5*time.Hour || step.Wait > 6*time.Hour {
			t.Errorf("after the pass the next step is %+v", step)
		}
	}
	if did := commandCounts(t, p.client); did["zrange"] != 0 || did["exists"] != 0 || did["evalsha"] != 2 {
		t.Errorf("after the pass two calls ran the commands %v", did)
	}
}

// TestPruneChecksFewOrders: a pass without an expired order sends few commands for each bucket of one index. A pass
// with an expired order checks in the other index only orders that were created at the same time.
func TestPruneChecksFewOrders(t *testing.T) {
	p := newPruned(t)
	p.pass(t)
	for _, c := range []struct {
		name          string
		expired       int
		steps, checks int // checks: EXISTS commands, at most
	}{
		{"none expired", 0, pruneBuckets, 2 * pruneBuckets},
		{"three expired", 3, 2 * pruneBuckets, 3*pruneBuckets + 3*129},
	} {
		p.shiftBegin(t, -6*time.Hour)
		for i := range c.expired {
			must(t, p.client.Del(t.Context(), fmt.Sprintf("kasse:{p0}:order:o%06d", 40*128+i)).Err())
		}
		must(t, p.client.ConfigResetStat(t.Context()).Err())
		_, steps, gone := p.pass(t)
		did := commandCounts(t, p.client)
		if steps != c.steps || gone != c.expired || did["exists"] > c.checks || did["zrem"] != 2*c.expired {
			t.Errorf("%s: %d steps, %d removed, %d EXISTS, %d ZREM: want %d, %d, at most %d, %d", c.name,
				steps, gone, did["exists"], did["zrem"], c.steps, c.expired, c.checks, 2*c.expired)
		}
	}
}

// TestPruneAfterClockStepBack: after Redis's clock has gone back, the beginning of a pass is in the future. No step
// waits for that moment.
func TestPruneAfterClockStepBack(t *testing.T) {
	p := newPruned(t)
	first, err := p.replicas[0].PruneIndex(t.Context())
	must(t, err)
	p.shiftBegin(t, 48*time.Hour)
	second, err := p.replicas[1].PruneIndex(t.Context())
	must(t, err)
	if second.Left != first.Left-1 || second.Wait > time.Hour {
		t.Errorf("the pass continued from %+v to %+v", first, second)
	}
	p.pass(t)
	p.shiftBegin(t, 48*time.Hour)
	if _, steps, _ := p.pass(t); steps != pruneBuckets {
		t.Errorf("the next pass took %d steps for %d buckets", steps, pruneBuckets)
	}
}
