package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	confirmsAtOnce = 2   // pipelines that wait for the replicas of one server; a hanging one delays only its own calls
	confirmsOfOne  = 256 // calls in one pipeline
)

// confirmations sends scripts that replicas have to confirm. The scripts that wait for the same server go in one
// pipeline, with one fence and one WAIT: without them, each write needs a connection of its own until it is confirmed.
type confirmations struct {
	mu      sync.Mutex
	servers map[redis.Cmdable]*confirmQueue // that have calls
}

// confirmQueue is the calls to one server.
type confirmQueue struct {
	running int // pipelines
	waiting []*confirmCall
}

// confirmCall is one script. The goroutine that sends it owns it until done is closed.
type confirmCall struct {
	part  partition
	add   func(redis.Pipeliner) *redis.Cmd
	reply *redis.Cmd
	err   error
	done  chan struct{}
}

// confirmTogether sends a script to the server, with others that wait for it, and returns once replicas have confirmed
// it. A call that finds no pipeline under way goes at once. The script may still be executed after the context has
// ended.
func (s *Store) confirmTogether(
	ctx context.Context, server redis.Cmdable, part partition, add func(redis.Pipeliner) *redis.Cmd,
) (any, error) {
	call := &confirmCall{part: part, add: add, done: make(chan struct{})}
	if s.confirms.enter(server, call) {
		s.confirm(ctx, server, []*confirmCall{call})
		if next := s.confirms.next(server); len(next) > 0 {
			go s.confirmWaiting(context.WithoutCancel(ctx), server, next)
		}
		return call.result()
	}
	began := time.Now() //nolint:forbidigo // it is measured, and decides nothing
	select {
	case <-call.done:
	case <-ctx.Done():
		s.confirms.leave(server, call)
		return nil, ctx.Err()
	}
	if s.Observer != nil {
		took := time.Since(began) //nolint:forbidigo // as above
		s.Observer.CommandRun(ctx, "pipeline", began, took, broken(call.err))
	}
	return call.result()
}

func (c *confirmCall) result() (any, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.reply.Val(), nil
}

// confirmWaiting sends calls that have waited, and then those that have come meanwhile. Each reports itself to the
// Observer.
func (s *Store) confirmWaiting(ctx context.Context, server redis.Cmdable, calls []*confirmCall) {
	ctx = context.WithValue(ctx, sentByPipeline{}, true)
	for ; len(calls) > 0; calls = s.confirms.next(server) {
		bounded, cancel := context.WithTimeout(ctx, exchangeBound)
		s.confirm(bounded, server, calls)
		cancel()
		for _, call := range calls {
			close(call.done)
		}
	}
}

// confirm sends the scripts with one fence and one WAIT. go-redis sends a pipeline again as a whole, on one connection,
// so that they are never parted. The scripts may run twice.
//
// A replica that has the fence has all that came before it, so that the fence of one partition serves all partitions of
// the server. A call whose script succeeded and whose fence failed is unconfirmed; it has to be sent again.
func (s *Store) confirm(ctx context.Context, server redis.Cmdable, calls []*confirmCall) {
	pipe := server.Pipeline()
	for _, call := range calls {
		call.reply = call.add(pipe)
	}
	fence := pipe.Set(ctx, calls[0].part.fence(), "", 0)
	replicas := pipe.Do(ctx, "WAIT", s.WaitReplicas, s.WaitTimeout.Milliseconds())
	_, _ = pipe.Exec(ctx) // each reply has its own error
	count, err := replicas.Int()
	if err == nil && count < s.WaitReplicas {
		err = fmt.Errorf("%w: %d of %d within %s", errUnconfirmed, count, s.WaitReplicas, s.WaitTimeout)
	}
	for _, call := range calls {
		call.err = cmp.Or(call.reply.Err(), fence.Err(), err)
	}
}

// enter reports whether the caller may send its call at once. Otherwise the call waits.
func (c *confirmations) enter(server redis.Cmdable, call *confirmCall) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.servers[server]
	if q == nil {
		q = &confirmQueue{}
		c.servers[server] = q
	}
	if q.running < confirmsAtOnce {
		q.running++
		return true
	}
	q.waiting = append(q.waiting, call)
	return false
}

// next returns the calls that the caller has to send after its pipeline; none ends the caller's turn.
func (c *confirmations) next(server redis.Cmdable) []*confirmCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.servers[server]
	count := min(len(q.waiting), confirmsOfOne)
	if count == 0 {
		if q.running--; q.running == 0 {
			delete(c.servers, server)
		}
		return nil
	}
	calls := q.waiting[:count:count]
	q.waiting = q.waiting[count:]
	return calls
}

// leave withdraws a call, if it has not been sent.
func (c *confirmations) leave(server redis.Cmdable, call *confirmCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.servers[server]; q != nil {
		q.waiting = slices.DeleteFunc(slices.Clone(q.waiting), func(other *confirmCall) bool { return other == call })
	}
}
