package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// jointCall is one call of a script for several endpoints of a partition.
type jointCall struct {
	kind      callKind
	partition int
	keys      []string
	args      []any
	replies   []*pushReply // one for each endpoint
	result    *redis.Cmd
}

// script returns the script of a kind.
func (k callKind) script() *redis.Script {
	if k == callFinish {
		return pushFinishScript
	}
	return pushClaimScript
}

// sendPushes sends the calls of some groups in one pipeline.
func (s *Store) sendPushes(ctx context.Context, groups []*callGroup) {
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	calls := s.joinCalls(groups)
	_, _ = s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, c := range calls {
			c.result = pipe.EvalSha(ctx, c.kind.script().Hash(), c.keys, c.args...)
		}
		return nil
	}) // each result has its own error
	for _, c := range calls {
		if redis.HasErrorPrefix(c.result.Err(), replyNoScript) {
			c.result = c.kind.script().Eval(ctx, s.redis, c.keys, c.args...)
		}
		c.read()
	}
	for _, g := range groups {
		close(g.done)
	}
}

// joinCalls puts the calls of a kind for one partition together, at most callEndpoints.
func (s *Store) joinCalls(groups []*callGroup) (calls []*jointCall) {
	for kind := range callKinds {
		open := make([]*jointCall, s.Partitions) // that take another endpoint
		for _, g := range groups {
			if g.kind != kind {
				continue
			}
			g.replies = make([]pushReply, len(g.calls))
			for i, call := range g.calls {
				c := open[call.partition]
				if c == nil || len(c.replies) == callEndpoints {
					c = s.newJointCall(kind, call.partition)
					open[call.partition], calls = c, append(calls, c)
				}
				c.keys, c.args = append(c.keys, call.keys...), append(c.args, call.args...)
				c.replies = append(c.replies, &g.replies[i])
			}
		}
	}
	return calls
}

func (s *Store) newJointCall(kind callKind, n int) *jointCall {
	part := s.pushPartition(n)
	c := &jointCall{kind: kind, partition: n, keys: []string{part.events(), part.meta()}}
	if kind == callFinish {
		c.args = append(c.args, logLines)
	}
	return c
}

// read hands each endpoint its part of the reply. An entry that several endpoints have claimed is parsed once.
func (c *jointCall) read() {
	values, err := c.result.Slice()
	if c.kind == callFinish {
		values, err = nil, c.result.Err()
	}
	var all pushReply
	var answers []any
	if len(values) == 3 {
		all.now, _ = values[0].(int64)
		entries, _ := values[1].([]any)
		all.entries = make([]payment.FeedEvent, len(entries))
		for i, entry := range entries {
			all.entries[i] = pushedEvent(entry, c.partition)
		}
		answers, _ = values[2].([]any)
	}
	for i, reply := range c.replies {
		*reply = all
		if reply.err = err; i < len(answers) {
			reply.answer = answers[i]
		}
	}
}
