package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server describes one server of a Redis by its own replies. Managed servers refuse CONFIG: their
// settings stay unknown.
type Server struct {
	Address      string
	Unreachable  bool // other servers name it, but it did not answer; the other fields are then empty
	Replica      bool
	Kind         string // standalone, cluster or sentinel
	Version      string // as 7.0.15
	AOF          bool   // every write goes to a file
	Fsync        string // always, everysec or no; empty where CONFIG is refused
	Pauses       bool   // it does not sync while it rewrites the file
	Failing      string // the last of its own jobs that failed; empty: all is well
	Eviction     string // maxmemory-policy
	Used         int64  // bytes
	MaxBytes     int64  // maxmemory; 0: no limit
	Replicas     int    // replicas in sync with it
	Away         int    // replicas that are known, and stopped, cut off or still copying; see the file replicas.go
	ClusterState string // ok or fail, of a cluster

	Ahead time.Duration // of its clock over ours; negative: behind
}

// inspectBound ends the inspection of one server.
const inspectBound = 3 * time.Second

// Kind returns the kind of the first server that answers: standalone, cluster or sentinel. It does not depend
// on REDIS_MODE.
func Kind(ctx context.Context, mode, url string) (string, error) {
	all, err := seeds(mode, url)
	if err != nil {
		return "", err
	}
	for _, seed := range all {
		var text string
		text, err = withClient(ctx, seed, func(ctx context.Context, c *redis.Client) (string, error) {
			return c.Info(ctx, "server").Result()
		})
		if err == nil {
			return cmp.Or(info(text)["redis_mode"], "standalone"), nil
		}
	}
	return "", err
}

// seeds are the servers that the URL names.
func seeds(mode, url string) ([]*redis.Options, error) {
	var all []*redis.Options
	switch mode {
	case "cluster":
		o, err := redis.ParseClusterURL(url)
		if err != nil {
			return nil, err
		}
		for _, address := range o.Addrs {
			all = append(
				all,
				&redis.Options{Addr: address, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig},
			)
		}
	case "sentinel":
		o, err := redis.ParseFailoverURL(url)
		if err != nil {
			return nil, err
		}
		for _, address := range o.SentinelAddrs {
			all = append(all, &redis.Options{
				Addr: address, Username: o.SentinelUsername, Password: o.SentinelPassword, TLSConfig: o.TLSConfig,
			})
		}
	default:
		o, err := redis.ParseURL(url)
		return []*redis.Options{o}, err
	}
	return all, nil
}

// withClient opens a client, calls the function with it, and closes the client.
func withClient[T any](
	ctx context.Context, o *redis.Options, question func(context.Context, *redis.Client) (T, error),
) (T, error) {
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, -1, 1
	client := redis.NewClient(o)
	defer client.Close() //nolint:errcheck // it was only read from
	ctx, cancel := context.WithTimeout(ctx, inspectBound)
	defer cancel()
	return question(ctx, client)
}

// Inspect inspects every server of the Redis, and returns an error if none answers. In a cluster, and behind
// sentinels, these are the masters and their replicas, since each replica may take over.
func Inspect(ctx context.Context, mode, url string) ([]Server, error) {
	client, err := newClient(mode, url)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // it was only read from
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	switch mode {
	case "cluster":
		return inspectCluster(ctx, client.(*redis.ClusterClient))
	case "sentinel":
		return inspectSentinels(ctx, client, url)
	}
	server, _, err := inspect(ctx, client)
	server.Address = client.(*redis.Client).Options().Addr
	return []Server{server}, err
}

func inspectCluster(ctx context.Context, client *redis.ClusterClient) ([]Server, error) {
	var mu sync.Mutex
	var all []Server
	err := client.ForEachShard(ctx, func(ctx context.Context, node *redis.Client) error {
		ctx, cancel := context.WithTimeout(ctx, inspectBound)
		defer cancel()
		server, _, err := inspect(ctx, node)
		server.Unreachable, server.Address = err != nil, node.Options().Addr
		mu.Lock()
		defer mu.Unlock()
		all = append(all, server)
		return nil
	})
	slices.SortFunc(all, func(a, b Server) int { return cmp.Compare(a.Address, b.Address) })
	return all, err
}

// inspectSentinels inspects the master that the sentinels name, and the replicas that it knows.
func inspectSentinels(ctx context.Context, client redis.UniversalClient, url string) ([]Server, error) {
	o, err := redis.ParseFailoverURL(url)
	if err != nil {
		return nil, err
	}
	master, replicas, err := inspect(ctx, client)
	if err != nil {
		return nil, err
	}
	master.Address = "the master"
	master.Away = max(master.Away, len(sentinelReplicas(ctx, o))-master.Replicas)
	all := []Server{master}
	for _, address := range replicas {
		options := &redis.Options{Addr: address, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig}
		server, err := withClient(ctx, options, func(ctx context.Context, c *redis.Client) (Server, error) {
			server, _, err := inspect(ctx, c)
			return server, err
		})
		server.Unreachable, server.Address = err != nil, address
		all = append(all, server)
	}
	return all, nil
}

// inspect inspects one server. It also returns the addresses of its replicas.
func inspect(ctx context.Context, client redis.Cmdable) (Server, []string, error) {
	began := time.Now() //nolint:forbidigo // it is compared with the server's clock
	text, err := client.Info(ctx).Result()
	if err != nil {
		return Server{}, nil, err
	}
	fields := info(text)
	s := Server{
		Kind: fields["redis_mode"], Version: fields["redis_version"], Replica: fields["role"] == "slave",
		AOF: fields["aof_enabled"] == "1", Eviction: fields["maxmemory_policy"],
		Used: integer(fields["used_memory"]), MaxBytes: integer(fields["maxmemory"]),
	}
	if at := integer(fields["server_time_usec"]); at > 0 {
		s.Ahead = aheadOf(began, time.UnixMicro(at))
	}
	for _, job := range []string{"aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"} {
		if status := fields[job]; status != "" && status != "ok" {
			s.Failing = job
		}
	}
	s.Fsync = setting(ctx, client, "appendfsync")
	s.Pauses = setting(ctx, client, "no-appendfsync-on-rewrite") == "yes"
	if s.Kind == "cluster" {
		state, _ := client.ClusterInfo(ctx).Result()
		s.ClusterState = info(state)["cluster_state"]
	}
	replicas, copying := followers(fields)
	s.Replicas, s.Away = len(replicas), copying
	if s.Kind == "cluster" && !s.Replica {
		s.Away = max(copying, clusterReplicas(ctx, client)-s.Replicas)
	}
	return s, replicas, nil
}

// aheadOf returns how far a server's clock, read between a time and now, is ahead of ours.
func aheadOf(began, given time.Time) time.Duration {
	now := time.Now() //nolint:forbidigo // it is compared with the server's clock
	return given.Sub(began.Add(now.Sub(began) / 2)).Round(time.Millisecond)
}

// info reads lines of name:value.
func info(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	return fields
}

// setting returns a setting of the server; empty if the server refuses.
func setting(ctx context.Context, client redis.Cmdable, name string) string {
	values, err := client.ConfigGet(ctx, name).Result()
	if err != nil {
		return ""
	}
	return values[name]
}

// String returns the server's role and address.
func (s Server) String() string {
	if s.Replica {
		return fmt.Sprintf("replica %s", s.Address)
	}
	return s.Address
}
