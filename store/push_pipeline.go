package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// scriptCall is one call of a script, for runScripts.
type scriptCall struct {
	keys []string
	args []any
}

// runScripts calls a script several times in one pipeline. Each call has its own result and error.
func (s *Store) runScripts(ctx context.Context, script *redis.Script, calls []scriptCall) []*redis.Cmd {
	results := make([]*redis.Cmd, len(calls))
	_, _ = s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, c := range calls {
			results[i] = pipe.EvalSha(ctx, script.Hash(), c.keys, c.args...)
		}
		return nil
	}) // each result has its own error
	for i, c := range calls {
		if redis.HasErrorPrefix(results[i].Err(), replyNoScript) {
			results[i] = script.Eval(ctx, s.redis, c.keys, c.args...)
		}
	}
	return results
}

const (
	groupPause    = 2 * time.Millisecond   // in which calls gather
	groupsAtOnce  = 2                      // concurrent pipelines; a hanging server delays only those of one
	groupMaxCalls = 1_000                  // in one pipeline
	senderIdle    = 200 * time.Millisecond // after which a goroutine without calls ends
	callEndpoints = 16                     // in one call of a script: Redis runs nothing else meanwhile
)

// pushPipeline gathers the script calls of all endpoints of a moment in one pipeline, those of one partition in one
// call. At a low rate that saves most of the cost of a claim: an event reaches the workers of all endpoints at the same
// time.
type pushPipeline struct {
	store   *Store
	mu      sync.Mutex
	running int             // goroutines
	idle    []chan struct{} // of those without calls; the last one gets the next
	waiting []*callGroup
}

// callKind is a script that takes the calls of several endpoints.
type callKind int

// The kinds, in the order in which a pipeline has them.
const (
	callFinish callKind = iota
	callClaim
	callKinds // how many kinds there are
)

// pushCall is the part of a script's call that one endpoint has.
type pushCall struct {
	partition int
	keys      []string
	args      []any
}

// pushReply is the part of the reply for one pushCall.
type pushReply struct {
	now     int64               // Unix milliseconds, of a claim
	entries []payment.FeedEvent // of a claim; others have them, too
	answer  any                 // of a claim
	err     error
}

// callGroup is the calls of one caller.
type callGroup struct {
	kind    callKind
	calls   []pushCall
	replies []pushReply
	done    chan struct{}
}

// run makes calls. Each has its own reply and error. It ends with the context;
// the outcome of the calls is then unknown.
func (p *pushPipeline) run(ctx context.Context, kind callKind, calls []pushCall) []pushReply {
	g := &callGroup{kind: kind, calls: calls, done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, g)
	if len(p.waiting) == 1 {
		p.startSender(context.WithoutCancel(ctx))
	}
	p.mu.Unlock()
	select {
	case <-g.done:
		return g.replies
	case <-ctx.Done():
		failed := make([]pushReply, len(calls))
		for i := range failed {
			failed[i].err = ctx.Err()
		}
		return failed
	}
}

// startSender lets a goroutine send the waiting groups: an idle one, whose stack has grown, or a new one. The
// caller holds the lock.
func (p *pushPipeline) startSender(ctx context.Context) {
	if last := len(p.idle) - 1; last >= 0 {
		p.idle[last] <- struct{}{}
		p.idle = p.idle[:last]
		return
	}
	if p.running < groupsAtOnce {
		p.running++
		go p.sendAll(ctx)
	}
}

// sendAll sends what waits, until nothing has for a while.
func (p *pushPipeline) sendAll(ctx context.Context) {
	wake := make(chan struct{}, 1)
	timer := time.NewTimer(senderIdle)
	defer timer.Stop()
	for {
		pause(ctx, groupPause)
		for groups := p.nextGroups(wake); len(groups) > 0; groups = p.nextGroups(wake) {
			p.store.sendPushes(ctx, groups)
		}
		timer.Reset(senderIdle)
		select {
		case <-wake:
		case <-timer.C:
			if p.leave(wake) {
				return
			}
			<-wake
		}
	}
}

// leave ends an idle goroutine, unless it has been given calls.
func (p *pushPipeline) leave(wake chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.idle, wake)
	if at >= 0 {
		p.idle = slices.Delete(p.idle, at, at+1)
		p.running--
	}
	return at >= 0
}

// nextGroups returns the groups of the next pipeline. Without groups the goroutine becomes idle, and wake gets a
// value when there are some.
func (p *pushPipeline) nextGroups(wake chan struct{}) (groups []*callGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for len(p.waiting) > 0 && (count == 0 || count+len(p.waiting[0].calls) <= groupMaxCalls) {
		count += len(p.waiting[0].calls)
		groups = append(groups, p.waiting[0])
		p.waiting = p.waiting[1:]
	}
	if len(groups) == 0 {
		p.idle = append(p.idle, wake)
	}
	return groups
}
