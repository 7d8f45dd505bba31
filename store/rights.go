package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ACLRule is what a user of Redis's ACL needs, in the words of ACL SETUSER: the keys, the channels and the commands
// that the server and kasse's commands use, and multi and discard, with which kasse check tries the others.
func ACLRule() string {
	rule := []string{"resetkeys", "resetchannels", "-@all", "~kasse:*", "&kasse:*"}
	for _, name := range commandNames() {
		rule = append(rule, "+"+name)
	}
	return strings.Join(rule, " ")
}

// commands are the commands that are sent, or that scripts run, each as it can be queued. KEY and CHANNEL stand for
// one of ours.
var commands = []string{
	"GET KEY", "SET KEY v", "DEL KEY", "UNLINK KEY", "EXISTS KEY", "INCR KEY", "RENAME KEY KEY",
	"PERSIST KEY", "PEXPIRE KEY 1", "PEXPIREAT KEY 1", "PTTL KEY",
	"HGET KEY f", "HMGET KEY f", "HGETALL KEY", "HEXISTS KEY f", "HSET KEY f v", "HSETNX KEY f v", "HDEL KEY f",
	"HINCRBY KEY f 1",
	"LPUSH KEY v", "LTRIM KEY 0 0", "LRANGE KEY 0 0",
	"ZADD KEY 1 m", "ZREM KEY m", "ZCARD KEY", "ZCOUNT KEY 0 1", "ZRANGE KEY 0 0", "ZRANGEBYSCORE KEY 0 1",
	"ZREVRANGE KEY 0 0", "ZREVRANGEBYSCORE KEY 1 0", "ZREVRANGEBYLEX KEY + -",
	"ZREMRANGEBYSCORE KEY 0 1", "ZSCORE KEY m",
	"XADD KEY * f v", "XLEN KEY", "XRANGE KEY - +", "XREVRANGE KEY + -", "XTRIM KEY MAXLEN 0", "XDEL KEY 0-1",
	"XACK KEY g 0-1", "XPENDING KEY g", "XREADGROUP GROUP g c STREAMS KEY >", "XGROUP CREATE KEY g 0",
	"XINFO GROUPS KEY",
	"PUBLISH CHANNEL m", "EVALSHA 0 0", "EVAL return 0", "TIME", "PING", "INFO", "SCAN 0", "WAIT 0 0",
	"CLIENT TRACKING off",
}

// tried are the commands that are needed beside those that can be queued: the trial itself, the subscription, and what
// go-redis asks of a cluster or of a database with a number.
var tried = []string{
	"MULTI", "DISCARD", "SUBSCRIBE", "UNSUBSCRIBE", "SELECT", "COMMAND", "CLUSTER|SLOTS", "CLUSTER|INFO",
	"READONLY", "ASKING",
}

// subcommands are those of which only one subcommand is needed.
var subcommands = []string{"XGROUP", "XINFO", "CLIENT"}

// commandNames are the names of the commands as the ACL writes them.
func commandNames() []string {
	var names []string
	for _, command := range commands {
		words := strings.Fields(command)
		name := words[0]
		if slices.Contains(subcommands, name) {
			name += "|" + words[1]
		}
		names = append(names, strings.ToLower(name))
	}
	for _, name := range tried {
		names = append(names, strings.ToLower(name))
	}
	return names
}

// MissingRights returns what the user of the URL may not do and has to: commands, keys and channels. It changes
// nothing: each command is queued in a transaction that is discarded, and Redis refuses one when it is queued. In a
// cluster one server is asked for all.
func MissingRights(ctx context.Context, mode, url string, partitions int) ([]string, error) {
	client, err := newClient(mode, url)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // nothing was written
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	s := &Store{Options: Options{Partitions: partitions}, redis: client}
	server, err := s.server(ctx, s.partitionAt(0))
	if err != nil {
		return nil, err
	}
	one, single := server.(*redis.Client)
	if !single {
		return nil, nil
	}
	missing, err := s.queueAll(ctx, one)
	if err != nil {
		return missing, err
	}
	return append(missing, s.subscribeAll(ctx, one)...), nil
}

// queueAll queues every command, and a write of every kind of key, and returns what is refused.
func (s *Store) queueAll(ctx context.Context, client *redis.Client) (missing []string, err error) {
	conn := client.Conn()
	defer conn.Close() //nolint:errcheck // nothing was written
	if err := conn.Do(ctx, "MULTI").Err(); err != nil {
		if refused(err) {
			return []string{"the command multi, with which the others are tried"}, nil
		}
		return nil, err
	}
	for i, command := range commands {
		why, err := s.queue(ctx, conn, command)
		if err != nil {
			return missing, err
		}
		if strings.Contains(why, deniedCommand) {
			missing = append(missing, "the command "+commandNames()[i])
		}
		if strings.HasPrefix(command, "PUBLISH ") && strings.Contains(why, "channel") {
			missing = append(missing, "publishing on the channels "+channelPattern)
		}
	}
	for _, key := range s.allKeys() {
		reading, err := s.queue(ctx, conn, "GET "+key)
		if err != nil {
			return missing, err
		}
		writing, err := s.queue(ctx, conn, "SET "+key+" v")
		if err != nil {
			return missing, err
		}
		if deniesKey(reading) || deniesKey(writing) {
			missing = append(missing, "the keys "+key)
		}
	}
	return missing, conn.Do(ctx, "DISCARD").Err()
}

// deniedCommand is in the message with which Redis refuses a command, and not in those about keys and channels.
const deniedCommand = " run the "

func deniesKey(why string) bool {
	return strings.Contains(why, "key") && !strings.Contains(why, deniedCommand)
}

// queue queues a command, and returns why the ACL refuses it; empty where it does not. Another refusal is none of
// the ACL's: a cluster's server names the one that holds the key.
func (s *Store) queue(ctx context.Context, conn *redis.Conn, command string) (why string, err error) {
	part := s.partitionAt(0)
	words := strings.Fields(strings.NewReplacer("KEY", part.fence(), "CHANNEL", part.changed()).Replace(command))
	args := make([]any, len(words))
	for i, word := range words {
		args[i] = word
	}
	err = conn.Do(ctx, args...).Err()
	if refused(err) {
		return err.Error(), nil
	}
	if reply := redis.Error(nil); errors.As(err, &reply) {
		return "", nil
	}
	return "", err
}

// channelPattern names the channels of hints.
const channelPattern = "kasse:{p*}:changed"

// allKeys are a key of each kind.
func (s *Store) allKeys() []string {
	p := s.partitionAt(0)
	push := p.push("check")
	return []string{
		p.order("check"), p.foreign(
			"pi_check",
		), p.pointer("pi_check"), p.events(), p.reads(), p.sweep(), p.attention(), p.restore(false),
		p.restore(true), p.masked(), p.notOurs(
			"pi_check",
		), p.unknown("pi_check"), p.meta(), p.rebuild(), push.share, push.retries,
		push.dead, push.log, p.fence(), p.lease("check"), p.catchUp(), p.quarantine(), p.readBudget(), p.limit("check"),
	}
}

// subscribeAll subscribes to a channel of hints, and returns what is refused.
func (s *Store) subscribeAll(ctx context.Context, client *redis.Client) []string {
	subscription := client.Subscribe(ctx, s.partitionAt(0).changed())
	defer subscription.Close() //nolint:errcheck // nothing is lost with it
	_, err := subscription.Receive(ctx)
	switch {
	case !refused(err):
		return nil
	case strings.Contains(err.Error(), " run the "):
		return []string{"the command subscribe"}
	}
	return []string{"subscribing to the channels " + channelPattern}
}

// refused reports whether Redis's ACL does not allow a command, a key or a channel.
func refused(err error) bool { return redis.HasErrorPrefix(err, "NOPERM") }
