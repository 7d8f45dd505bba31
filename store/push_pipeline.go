package store

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
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
	groupPause    = 500 * time.Microsecond // in which calls gather
	groupsAtOnce  = 2                      // pipelines under way: a server that hangs holds up those of one
	groupMaxCalls = 1_000                  // in one pipeline
)

// pushPipeline gathers the script calls of all endpoints of a moment in one pipeline. At a low rate that saves most of the
// cost of a claim: an event reaches the workers of all endpoints at the same time.
type pushPipeline struct {
	mu      sync.Mutex
	running int
	waiting []*callGroup
}

// callGroup is the calls of one caller.
type callGroup struct {
	script  *redis.Script
	calls   []scriptCall
	results []*redis.Cmd
	done    chan struct{}
}

// run calls a script several times. Each call has its own result and error. It ends with the context, whatever becomes of
// the calls then.
func (p *pushPipeline) run(
	ctx context.Context, client redis.UniversalClient, script *redis.Script, calls []scriptCall,
) []*redis.Cmd {
	g := &callGroup{script: script, calls: calls, done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, g)
	starts := p.running < groupsAtOnce && len(p.waiting) == 1
	if starts {
		p.running++
	}
	p.mu.Unlock()
	if starts {
		go p.flush(context.WithoutCancel(ctx), client)
	}
	select {
	case <-g.done:
		return g.results
	case <-ctx.Done():
		failed := make([]*redis.Cmd, len(calls))
		for i := range failed {
			failed[i] = redis.NewCmd(ctx)
			failed[i].SetErr(ctx.Err())
		}
		return failed
	}
}

// flush sends what waits until nothing does.
func (p *pushPipeline) flush(ctx context.Context, client redis.UniversalClient) {
	pause(ctx, groupPause)
	for {
		p.mu.Lock()
		groups := p.take()
		if len(groups) == 0 {
			p.running--
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		send(ctx, client, groups)
	}
}

// take returns the groups of the next pipeline. The lock is held.
func (p *pushPipeline) take() (groups []*callGroup) {
	count := 0
	for len(p.waiting) > 0 && (count == 0 || count+len(p.waiting[0].calls) <= groupMaxCalls) {
		count += len(p.waiting[0].calls)
		groups = append(groups, p.waiting[0])
		p.waiting = p.waiting[1:]
	}
	return groups
}

func send(ctx context.Context, client redis.UniversalClient, groups []*callGroup) {
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	_, _ = client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, g := range groups {
			g.results = make([]*redis.Cmd, len(g.calls))
			for i, c := range g.calls {
				g.results[i] = pipe.EvalSha(ctx, g.script.Hash(), c.keys, c.args...)
			}
		}
		return nil
	}) // each result has its own error
	for _, g := range groups {
		for i, c := range g.calls {
			if redis.HasErrorPrefix(g.results[i].Err(), replyNoScript) {
				g.results[i] = g.script.Eval(ctx, client, c.keys, c.args...)
			}
		}
		close(g.done)
	}
}
