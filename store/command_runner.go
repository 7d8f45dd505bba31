package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// commandRunner sends commands one by one, or batched in an automatic pipeline.
type commandRunner struct {
	client   redis.UniversalClient
	pipeline *redis.AutoPipeliner // nil: one by one
	observer Observer             // may be nil
}

const (
	queued    = 16_384 // commands that may wait for a pipeline, each for exchangeBound at most
	pipelines = 4      // concurrent pipelines; a hanging connection delays only those of one
)

func newCommandRunner(client redis.UniversalClient, pipelined bool, observer Observer) commandRunner {
	d := commandRunner{client: client, observer: observer}
	if !pipelined {
		return d
	}
	options := redis.DefaultBlockingAutoPipelineOptions()
	options.MaxQueuedCommands = queued
	options.MaxConcurrentBatches = pipelines
	options.Unordered = true // no caller sends a second command before the first reply
	// On a cluster one dead master would hold up the commands to all.
	if single, ok := client.(*redis.Client); ok {
		var err error
		if d.pipeline, err = single.AsyncAutoPipelineWithOptions(options); err != nil {
			panic(err) // the options are ours
		}
	}
	return d
}

// run sends one command and stores its reply in cmd. A caller waits for a pipeline no longer than
// exchangeBound. The command may still be executed later, like a command whose reply was lost.
func (d commandRunner) run(ctx context.Context, cmd redis.Cmder) error {
	if d.pipeline == nil {
		return d.client.Process(ctx, cmd)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	began := time.Now() //nolint:forbidigo // it is measured, and decides nothing
	err := d.pipeline.Submit(ctx, cmd).WaitContext(ctx)
	if d.observer != nil {
		d.observer.Exchanged(ctx, cmd.Name(), began, time.Since(began), broken(err)) //nolint:forbidigo // as above
	}
	return err
}

// script runs a script.
func (d commandRunner) script(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error) {
	words := make([]any, 0, 3+len(keys)+len(args))
	words = append(words, "evalsha", script.Hash(), len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	cmd := redis.NewCmd(ctx, append(words, args...)...)
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(3)
	}
	err := d.run(ctx, cmd)
	if redis.HasErrorPrefix(err, replyNoScript) {
		return script.Eval(ctx, d.client, keys, args...).Result()
	}
	if err != nil {
		return nil, err // the answer may still be on its way
	}
	return cmd.Val(), nil
}
