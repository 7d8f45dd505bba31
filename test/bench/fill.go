package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
	"kasse/store"
)

// The store's own SaveOrder and SavePointer encode the copies, and a hook takes their commands before they are sent.
// The filler writes with plain commands what save_order.lua and save_pointer.lua would write. The scripts take six
// times as long, and give the stream's entries the time of the fill. TestFillIsWhatKasseWrites compares both.

// partitionsOfBench is REDIS_PARTITIONS of the bench's servers.
const partitionsOfBench = 16

// capture is a client's hook that sends nothing. It keeps the arguments of scripts, and returns Redis's response to a
// write.
type capture struct{ scripts [][]any }

func (*capture) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*capture) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *capture) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		answer, ok := cmd.(*redis.Cmd)
		if !ok || cmd.Name() != "evalsha" {
			return fmt.Errorf("the fill does not support the command %s", cmd.Name())
		}
		c.scripts = append(c.scripts, cmd.Args()[2:])
		answer.SetVal([]any{"saved", "0", "0"})
		return nil
	}
}

// filler writes copies of orders.
type filler struct {
	client    *redis.Client
	retention time.Duration // of payments
	ends      time.Time     // creation time of the newest copy
	step      time.Duration // between the creation times of two copies
	kind      func(m made, n int) *template
	templates func() (made, error) // makes the templates of one worker
	first     int                  // number of the oldest copy
	count     int                  // number of the newest copy, plus one
	workers   int                  // connections that write copies; each has its own partitions

	fixedCustomer payment.CustomerID // of all copies; empty: each has nameOf's
}

// createdAt returns the creation time of the n-th copy.
func (f *filler) createdAt(n int) time.Time {
	return f.ends.Add(-time.Duration(f.count-1-n) * f.step).Truncate(time.Millisecond)
}

func (f *filler) run(ctx context.Context) error {
	var all errgroup.Group
	for mine := range f.workers {
		all.Go(func() error { return f.fill(ctx, mine) })
	}
	return all.Wait()
}

func partitionOf(order payment.OrderID) int { return partitionOfID(string(order)) }

func partitionOfID(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % partitionsOfBench)
}

const fillBatch = 256 // orders in a pipeline

func (f *filler) fill(ctx context.Context, mine int) error {
	own, err := f.templates()
	if err != nil {
		return err
	}
	hook := &capture{}
	silent := redis.NewClient(&redis.Options{Addr: f.client.Options().Addr})
	defer silent.Close()
	silent.AddHook(hook)
	w := fillWorker{filler: f, hook: hook, now: time.Now(), own: own, last: map[int]int64{}, indexes: newIndexes()}
	w.store = store.New(silent, store.Options{
		Partitions: partitionsOfBench, Retention: f.retention, EventRetention: 720 * time.Hour,
	})
	// No retries: a pipeline that is sent twice would append entries twice.
	client := redis.NewClient(&redis.Options{
		Addr: f.client.Options().Addr, MaxRetries: -1, ReadTimeout: time.Hour, WriteTimeout: time.Hour,
	})
	defer client.Close()
	w.pipe = client.Pipeline()
	for n := f.first; n < f.count; n++ {
		if partitionOf(orderName(n))%f.workers != mine {
			continue
		}
		if err := w.write(ctx, n); err != nil {
			return err
		}
		if w.waiting++; w.waiting == fillBatch {
			if err := w.send(ctx); err != nil {
				return err
			}
		}
	}
	w.indexes.write(ctx, w.pipe)
	return w.send(ctx)
}

// fillWorker writes the copies of some partitions.
type fillWorker struct {
	*filler
	store   *store.Store
	hook    *capture
	now     time.Time
	own     made
	last    map[int]int64 // Unix milliseconds of the newest entry of each partition
	indexes *indexes
	pipe    redis.Pipeliner
	waiting int // orders in the pipeline
}

// write adds the commands that write one copy to the pipeline.
func (w *fillWorker) write(ctx context.Context, n int) error {
	t, created := w.kind(w.own, n), w.createdAt(n)
	times := t.copy(n, created, w.fixedCustomer)
	changes := w.changes(t, n)
	w.hook.scripts = w.hook.scripts[:0]
	for i := range t.order.Attempts {
		a := &t.order.Attempts[i]
		if err := w.store.SavePointer(ctx, a.Payment, t.order.ID, time.Unix(a.PointerUntil, 0)); err != nil {
			return err
		}
	}
	if _, err := w.store.SaveOrder(ctx, t.order, changes); err != nil {
		return err
	}
	for _, args := range w.hook.scripts {
		keys, _ := args[0].(int)
		if keys == 8 {
			w.saveOrder(ctx, args[1:9], args[9:], times)
		} else {
			w.pipe.Do(ctx, "set", args[1], args[1+keys], "pxat", args[2+keys])
		}
	}
	return nil
}

// changes returns the queued work and the expiry that the last write of a copy's order has left.
func (w *fillWorker) changes(t *template, n int) payment.Changes {
	c := payment.Changes{Now: w.createdAt(n), Events: t.events, List: t.order.Listed}
	if t.lasts > 0 {
		c.Expires = t.lasts - w.now.Sub(w.createdAt(n))
		return c
	}
	due := w.now.Add(time.Hour + time.Duration(n%1440)*time.Minute) // a running payment is swept within a day
	c.Sweeps = []payment.Due{{Payment: t.order.Current(), At: due}}
	return c
}

// words are arguments of save_order.lua: lists, each after its length.
type words []any

// list removes and returns the first list.
func (w *words) list() []any {
	count, _ := (*w)[0].(int)
	found := (*w)[1 : 1+count]
	*w = (*w)[1+count:]
	return found
}

// saveOrder does what save_order.lua does for an order that is not stored.
func (w *fillWorker) saveOrder(ctx context.Context, keys, args []any, times []int64) {
	const ownWords, expires = 9, 5
	order, lists := keys[0], words(args[ownWords:])
	lists.list() // the requested payments
	w.pipe.Do(ctx, append([]any{"hset", order}, lists.list()...)...)
	lists.list() // fields to remove
	for _, queue := range []any{keys[3], keys[4]} {
		for due := range slices.Chunk(lists.list(), 2) {
			if due[1] != "" {
				w.pipe.Do(ctx, "zadd", queue, due[1], due[0])
			}
		}
	}
	for move := range slices.Chunk(lists.list(), 4) {
		w.indexes.add(ctx, w.pipe, keys, move)
	}
	part := partitionOf(payment.OrderID(args[2].(string)))
	for entries := lists.list(); len(entries) > 0; times = times[1:] {
		rest := words(entries)
		entry := rest.list()
		entries = rest
		w.last[part] = max(w.last[part]+1, times[0])
		w.pipe.Do(ctx, append([]any{"xadd", keys[2], strconv.FormatInt(w.last[part], 10) + "-0"}, entry...)...)
	}
	if lasts := args[expires]; lasts != "" {
		w.pipe.Do(ctx, "pexpire", order, lasts)
	}
}

// send sends the commands of the pipeline.
func (w *fillWorker) send(ctx context.Context) error {
	w.waiting = 0
	replies, err := w.pipe.Exec(ctx)
	for _, reply := range replies {
		err = errors.Join(err, reply.Err())
	}
	return err
}
