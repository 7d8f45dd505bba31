package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// ACLRule lists what a user of Redis's ACL needs, in the words of ACL SETUSER: the keys, channels and
// commands of the server and of kasse's commands, and multi and discard, with which kasse check tries the
// others.
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
	"ZREMRANGEBYSCORE KEY 0 1", "ZSCORE KEY m", "ZSCAN KEY 0",
	"XADD KEY * f v", "XLEN KEY", "XRANGE KEY - +", "XREVRANGE KEY + -", "XTRIM KEY MAXLEN 0", "XDEL KEY 0-1",
	"XACK KEY g 0-1", "XPENDING KEY g", "XREADGROUP GROUP g c STREAMS KEY >", "XGROUP CREATE KEY g 0",
	"XINFO GROUPS KEY",
	"PUBLISH CHANNEL m", "EVALSHA 0 0", "EVAL return 0", "TIME", "PING", "INFO", "SCAN 0", "WAIT 0 0",
	"CLIENT TRACKING off",
}

// tried are the needed commands that cannot be queued: the trial itself, the subscription, and go-redis's
// commands for a cluster or a numbered database.
var tried = []string{
	"MULTI", "DISCARD", "SUBSCRIBE", "UNSUBSCRIBE", "SELECT", "COMMAND", "CLUSTER|SLOTS", "CLUSTER|INFO",
	"READONLY", "ASKING",
}

// subcommands are the commands of which only one subcommand is needed.
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

// MissingRight is a needed right that the user lacks on one server: a command, keys or channels, in words.
type MissingRight struct {
	Server string // its address; empty where there is only one
	Right  string
}

// MissingRights returns the needed rights that the URL's user lacks, by server: the servers of a cluster and
// those behind sentinels have separate ACLs, and a replica may take over. Unreachable servers are left out.
// It changes nothing: each command is queued in a transaction that is discarded, and Redis refuses it when it
// is queued.
func MissingRights(ctx context.Context, mode, url string, partitions int) ([]MissingRight, error) {
	client, err := newClient(mode, url)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // nothing was written
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	s := &Store{Options: Options{Partitions: partitions}, redis: client}
	switch mode {
	case "cluster":
		return s.missingInCluster(ctx, client.(*redis.ClusterClient))
	case "sentinel":
		return s.missingBehindSentinels(ctx, client.(*redis.Client), url)
	}
	return s.missingOn(ctx, client.(*redis.Client), "")
}

func (s *Store) missingInCluster(ctx context.Context, client *redis.ClusterClient) (all []MissingRight, err error) {
	var mu sync.Mutex
	err = client.ForEachShard(ctx, func(ctx context.Context, node *redis.Client) error {
		ctx, cancel := context.WithTimeout(ctx, inspectBound)
		defer cancel()
		missing, err := s.missingOn(ctx, node, node.Options().Addr)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, missing...)
		return ignoreUnreachable(err)
	})
	slices.SortStableFunc(all, func(a, b MissingRight) int { return cmp.Compare(a.Server, b.Server) })
	return all, err
}

func (s *Store) missingBehindSentinels(ctx context.Context, client *redis.Client, url string) ([]MissingRight, error) {
	all, err := s.missingOn(ctx, client, "the master")
	if err != nil {
		return all, err
	}
	o, err := redis.ParseFailoverURL(url)
	if err != nil {
		return all, err
	}
	_, replicas, err := inspect(ctx, client)
	if err != nil {
		return all, ignoreUnreachable(err) // the right to info is missing, too, which is reported already
	}
	for _, address := range replicas {
		options := &redis.Options{
			Addr: address, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		}
		missing, err := withClient(ctx, options, func(ctx context.Context, node *redis.Client) ([]MissingRight, error) {
			return s.missingOn(ctx, node, "the replica "+address)
		})
		if all = append(all, missing...); ignoreUnreachable(err) != nil {
			return all, err
		}
	}
	return all, nil
}

// ignoreUnreachable drops the error of an unreachable server, which the inspection reports, and of a server whose ACL
// refuses the question.
func ignoreUnreachable(err error) error {
	if reply := redis.Error(nil); !errors.As(err, &reply) || refused(err) {
		return nil
	}
	return err
}

// missingOn returns what the user may not do on one server.
func (s *Store) missingOn(ctx context.Context, client *redis.Client, server string) (all []MissingRight, err error) {
	missing, err := s.queueAll(ctx, client)
	switch {
	case err == nil:
		missing = append(missing, s.subscribeAll(ctx, client)...)
	case redis.IsAuthError(err):
		missing, err = append(missing, "anything (the user does not exist there, or has another password)"), nil
	case server != "":
		err = fmt.Errorf("%s: %w", server, err)
	}
	for _, right := range missing {
		all = append(all, MissingRight{server, right})
	}
	return all, err
}

// queueAll queues every command, and a write of every kind of key, and returns the refused ones. All are in
// one pipeline, since a client of go-redis closes a connection after a replica's first refusal of a write.
func (s *Store) queueAll(ctx context.Context, client *redis.Client) (missing []string, err error) {
	keys := s.allKeys()
	queue := slices.Clone(commands)
	for _, key := range keys {
		queue = append(queue, "GET "+key, "SET "+key+" v")
	}
	conn := client.Conn()
	defer conn.Close()                                    //nolint:errcheck // nothing was written
	if err := conn.Do(ctx, "MULTI").Err(); refused(err) { // without multi the pipeline must not be sent: it would write
		return []string{"the command multi, which this check needs"}, nil
	} else if err != nil {
		return nil, err
	}
	replies, err := conn.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, command := range queue {
			pipe.Do(ctx, s.words(command)...)
		}
		pipe.Do(ctx, "DISCARD")
		return nil
	})
	if _, broken := refusal(err); broken != nil {
		return nil, broken
	}
	why := make([]string, len(replies))
	for i, reply := range replies {
		why[i], _ = refusal(reply.Err())
	}
	for i, command := range commands {
		if strings.Contains(why[i], deniedCommand) {
			missing = append(missing, "the command "+commandNames()[i])
		}
		if strings.HasPrefix(command, "PUBLISH ") && strings.Contains(why[i], "channel") {
			missing = append(missing, "publishing on the channels "+channelPattern)
		}
	}
	why = why[len(commands):]
	for i, key := range keys {
		if deniesKey(why[2*i]) || deniesKey(why[2*i+1]) {
			missing = append(missing, "the keys "+key)
		}
	}
	return missing, nil
}

// deniedCommand is in the message with which Redis refuses a command, and not in those about keys and channels.
const deniedCommand = " run the "

func deniesKey(why string) bool {
	return strings.Contains(why, "key") && !strings.Contains(why, deniedCommand)
}

// words returns the words of a command, with keys and channels of ours.
func (s *Store) words(command string) (words []any) {
	part := s.partitionAt(0)
	names := strings.NewReplacer("KEY", part.fence(), "CHANNEL", part.changed())
	for word := range strings.FieldsSeq(names.Replace(command)) {
		words = append(words, word)
	}
	return words
}

// refusal returns the ACL's reason for refusing a command; empty if it does not. Other refusals do not count:
// a replica accepts no writes, and a cluster's server may redirect.
func refusal(err error) (why string, other error) {
	reply := redis.Error(nil)
	switch {
	case err == nil, !errors.As(err, &reply):
		return "", err
	case refused(err):
		return err.Error(), nil
	}
	return "", nil
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
		p.restore(true), p.masked(), p.byCreation(), p.byCustomer(), p.prune(), p.notOurs(
			"pi_check",
		), p.unknown("pi_check"), p.meta(), p.rebuild(), push.share, push.retries,
		push.dead, push.log, p.fence(), p.lease("check"), p.passes(), p.catchUp(), p.quarantine(), p.readBudget(),
		p.limit("check"),
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
