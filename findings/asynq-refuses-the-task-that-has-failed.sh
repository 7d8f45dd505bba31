#!/bin/sh
# asynq refuses a unique task whose only copy has failed for the last time
#
# Guess (6):  a task with Unique(1h) that has used up its retries can be enqueued again, since no
#             copy of it is queued any more.
# Behaviour:  asynq releases the lock when a task succeeds. The lock of an archived task stays until
#             its TTL ends: until then Enqueue returns "task already exists". With TaskID, Enqueue
#             returns an error for as long as the archive keeps the task (90 days).
# Versions:   github.com/hibiken/asynq v0.26.0, redis-server 7.0.15 (Debian).
# Matters:    a webhook handler that enqueues the event's id answers 200 when the task already
#             exists. So Stripe's next delivery repairs nothing, and the order is never fulfilled.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

func main() {
	at := asynq.RedisClientOpt{Network: "unix", Addr: "socket"}
	client, inspector := asynq.NewClient(at), asynq.NewInspector(at)
	server := asynq.NewServer(at, asynq.Config{LogLevel: asynq.FatalLevel})
	fails := func(context.Context, *asynq.Task) error { return errors.New("the warehouse does not answer") }
	if err := server.Start(asynq.HandlerFunc(fails)); err != nil {
		panic(err)
	}
	enqueue := func(how string, o asynq.Option) {
		_, err := client.Enqueue(asynq.NewTask("fulfil", []byte("order-1")), o, asynq.MaxRetry(0))
		fmt.Println(how+":", err)
	}
	enqueue("Unique", asynq.Unique(time.Hour))
	enqueue("TaskID", asynq.TaskID("evt_1"))
	for {
		if archived, _ := inspector.ListArchivedTasks("default"); len(archived) == 2 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	enqueue("Unique, once it has failed", asynq.Unique(time.Hour))
	enqueue("TaskID, once it has failed", asynq.TaskID("evt_1"))
	server.Shutdown()
}
END
go_modules github.com/hibiken/asynq@v0.26.0
./finding >seen
compare <<'END'
Unique: <nil>
TaskID: <nil>
Unique, once it has failed: task already exists
TaskID, once it has failed: task ID conflicts with another task
END
