package store

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// topology looks up a cluster's masters again as soon as a server does not answer. go-redis by itself does so after a
// redirect, and once in lookUpEvery. A dead master sends no redirect. Without this its partitions would stay away for
// up to a minute, although its replica takes over within seconds.
type topology struct{ cluster *redis.ClusterClient }

// lookUpEvery is the longest time between two lookups.
var lookUpEvery = time.Minute

// newClusterClient opens a client of a cluster that looks up the masters in time.
func newClusterClient(o *redis.ClusterOptions) *redis.ClusterClient {
	o.ClusterStateReloadInterval = lookUpEvery
	cluster := redis.NewClusterClient(o)
	cluster.OnNewNode(func(node *redis.Client) { node.AddHook(topology{cluster}) })
	return cluster
}

// lookAgain begins a lookup if the error may be of a server that is no master any more. go-redis makes one lookup at a
// time, and pauses 200 ms after it.
func (t topology) lookAgain(ctx context.Context, err error) error {
	if refusal := redis.Error(nil); err == nil || errors.Is(err, context.Canceled) ||
		errors.As(err, &refusal) && !redis.HasErrorPrefix(err, "CLUSTERDOWN") {
		return err
	}
	t.cluster.ReloadState(ctx)
	return err
}

// DialHook sees connections that cannot be made, also those of subscriptions.
func (t topology) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		return conn, t.lookAgain(ctx, err)
	}
}

// ProcessHook sees failures of single commands.
func (t topology) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return t.lookAgain(ctx, next(ctx, cmd)) }
}

// ProcessPipelineHook sees failures of pipelines.
func (t topology) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return t.lookAgain(ctx, next(ctx, cmds)) }
}
