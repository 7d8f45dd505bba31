package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// commandRunner sends commands one by one, or batched in automatic pipelines.
type commandRunner struct {
	client    redis.UniversalClient
	pipelines *pipelines // nil: one by one
	observer  Observer   // may be nil
}

func newCommandRunner(client redis.UniversalClient, pipelined bool, observer Observer) commandRunner {
	d := commandRunner{client: client, observer: observer}
	if pipelined {
		d.pipelines = newPipelines(client)
	}
	return d
}

// run sends one command and stores its reply in cmd. A caller waits for a pipeline no longer than
// exchangeBound. The command may still be executed later, like a command whose reply was lost.
func (d commandRunner) run(ctx context.Context, cmd redis.Cmder) error {
	if err := ctx.Err(); d.pipelines != nil && err != nil {
		return err
	}
	pipeline := d.pipelines.of(ctx, cmd)
	if pipeline == nil {
		return d.client.Process(ctx, cmd)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	began := time.Now() //nolint:forbidigo // it is measured, and decides nothing
	err := pipeline.Submit(ctx, cmd).WaitContext(ctx)
	if d.pipelines.mayHaveMoved(ctx, err) {
		return d.client.Process(ctx, cmd) // it follows redirects, and retries
	}
	if d.observer != nil {
		d.observer.CommandRun(ctx, cmd.Name(), began, time.Since(began), broken(err)) //nolint:forbidigo // as above
	}
	return err
}

// script runs a script.
func (d commandRunner) script(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error) {
	words := make([]any, 0, firstKeyOfScript+len(keys)+len(args))
	words = append(words, "evalsha", script.Hash(), len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	cmd := redis.NewCmd(ctx, append(words, args...)...)
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(firstKeyOfScript)
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

const (
	firstKeyOfScript = 3 // evalsha <hash> <keys> <key>
	firstKeyOfOthers = 1
)

// firstKey is the first key of a command that can go in a pipeline: a script, or a read of one key.
func firstKey(cmd redis.Cmder) string {
	at := firstKeyOfOthers
	if cmd.Name() == "evalsha" {
		at = firstKeyOfScript
	}
	if words := cmd.Args(); at < len(words) {
		key, _ := words[at].(string)
		return key
	}
	return ""
}

// pipelines are the automatic pipelines of a client: one for a single server, one for each master of a cluster. A
// master that does not answer delays only its own commands.
type pipelines struct {
	single  *redis.AutoPipeliner // nil on a cluster
	cluster *redis.ClusterClient // nil elsewhere
}

const (
	queued  = 16_384 // commands that may wait for a server, each for exchangeBound at most
	batches = 4      // concurrent pipelines to a server: a hanging connection delays only the commands of one
)

var pipelineOptions = func() *redis.AutoPipelineOptions {
	o := redis.DefaultBlockingAutoPipelineOptions()
	o.MaxQueuedCommands = queued
	o.MaxConcurrentBatches = batches
	o.Unordered = true // no caller sends a second command before the first reply
	return o
}()

// newPipelines returns the pipelines of a client; nil if its kind has none.
func newPipelines(client redis.UniversalClient) *pipelines {
	switch client := client.(type) {
	case *redis.Client:
		pipeline, err := client.AsyncAutoPipelineWithOptions(pipelineOptions)
		if err != nil {
			panic(err) // the options are ours
		}
		return &pipelines{single: pipeline}
	case *redis.ClusterClient:
		client.OnNewNode(func(node *redis.Client) { node.AddHook(boundedBatches{}) })
		return &pipelines{cluster: client}
	}
	return nil
}

// of returns the pipeline to the server that holds the command's key; nil if the command is sent by itself.
func (p *pipelines) of(ctx context.Context, cmd redis.Cmder) *redis.AutoPipeliner {
	switch {
	case p == nil:
		return nil
	case p.single != nil:
		return p.single
	}
	key := firstKey(cmd)
	if key == "" {
		return nil
	}
	master, err := p.cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil
	}
	// go-redis keeps the pipeline with the client of the node, and closes both when the node is gone.
	pipeline, err := master.AsyncAutoPipelineWithOptions(pipelineOptions)
	if err != nil {
		return nil
	}
	return pipeline
}

// mayHaveMoved reports whether a command has to be sent again, because another master of a cluster may hold its key by
// now: the slot moved, the master is being replaced, or its connection ended. It may have run, like one that go-redis
// retries: the scripts may run twice. A command that a full pipeline refused is not sent again.
func (p *pipelines) mayHaveMoved(ctx context.Context, err error) bool {
	if p.cluster == nil || errors.Is(err, redis.ErrAutoPipelineQueueFull) || !moved(ctx, err) {
		return false
	}
	p.cluster.ReloadState(ctx)
	return true
}

// boundedBatches ends the batches of an automatic pipeline to one master of a cluster, as bounded ends those of a
// single server.
type boundedBatches struct{ bounded }

// ProcessHook leaves single commands to the hook of the cluster's client.
func (boundedBatches) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
