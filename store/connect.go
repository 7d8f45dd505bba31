package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// exchangeBound limits one command with all its tries, even if the caller has no deadline: a frozen or
// disconnected server looks like a slow one. MaxWait leaves room under it for a slow replica.
const (
	exchangeBound = 5 * time.Second
	MaxWait       = 2 * time.Second
)

// drainEvery is how often go-redis looks for changes that Redis has reported on idle connections. Its default of 5 ms
// wakes an idle process 200 times a second. The hint of a change drops the view at once, too.
const drainEvery = 100 * time.Millisecond

// Connect opens a client for the URL in go-redis's own syntax. The mode is single, cluster or
// sentinel; go-redis would otherwise take a cluster with one seed for a single server.
func Connect(mode, url string) (redis.UniversalClient, error) {
	client, err := newClient(mode, url)
	if err != nil {
		return nil, err
	}
	client.AddHook(bounded{})
	return client, nil
}

func newClient(mode, url string) (redis.UniversalClient, error) {
	switch mode {
	case "cluster":
		o, err := clusterOptions(url)
		if err != nil {
			return nil, err
		}
		return newClusterClient(o), nil
	case "sentinel":
		o, err := redis.ParseFailoverURL(url)
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled = true
		return redis.NewFailoverClient(o), nil
	case "single":
		return newSingleClient(url, nil)
	}
	return nil, fmt.Errorf("REDIS_MODE must be single, sentinel or cluster, not %q", mode)
}

// clusterOptions are those of the URL. Without routing policies go-redis sends a command where its first key is. With
// them it asks any node what commands there are, and all commands wait for the answer, also of an unreachable node.
func clusterOptions(url string) (*redis.ClusterOptions, error) {
	o, err := redis.ParseClusterURL(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DisableRoutingPolicies = true, true
	return o, nil
}

func newSingleClient(url string, kept redis.Cache) (*redis.Client, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	if kept != nil {
		o.ClientSideCache = kept
		o.ClientSideCacheConfig = &redis.CacheConfig{DrainInterval: drainEvery} // go-redis uses nothing else of it
	}
	return redis.NewClient(o), nil
}

// bounded ends every command after exchangeBound. go-redis bounds only each try.
type bounded struct{}

// sentByPipeline marks the context of an automatic pipeline, which go-redis sends. Its commands are observed
// one by one in commandRunner.
type sentByPipeline struct{}

func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == context.Background() {
		ctx = context.WithValue(ctx, sentByPipeline{}, true)
	}
	return context.WithTimeout(ctx, exchangeBound)
}

// DialHook does not bound connecting, which has its own bound and is shared by all callers.
func (bounded) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook bounds a command.
func (bounded) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, cancel := bound(ctx)
		defer cancel()
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook bounds a pipeline.
func (bounded) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, cancel := bound(ctx)
		defer cancel()
		return next(ctx, cmds)
	}
}
