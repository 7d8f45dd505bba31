package store

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is what one server of a Redis says of itself, as far as it may be asked: managed ones refuse CONFIG.
type Server struct {
	Address      string
	Away         bool // it is named by others, and did not answer; nothing else is known then
	Replica      bool
	Kind         string // standalone, cluster or sentinel
	Version      string // as 7.0.15
	AOF          bool   // every write goes to a file
	Fsync        string // always, everysec or no; empty where CONFIG is refused
	Pauses       bool   // it does not sync while it rewrites the file
	Failing      string // the last of its own jobs that failed; empty: all is well
	Eviction     string // maxmemory-policy
	Used         int64  // bytes
	Most         int64  // bytes, maxmemory; 0: all that there is
	Replicas     int    // that follow it and are up to it
	ClusterState string // ok or fail, of a cluster
}

// inspectBound ends the questions to one server.
const inspectBound = 3 * time.Second

// Kind asks the first server that answers under the URL what it is: standalone, cluster or sentinel. Whatever the mode is
// set to, that is what is there.
func Kind(ctx context.Context, mode, url string) (string, error) {
	all, err := seeds(mode, url)
	if err != nil {
		return "", err
	}
	for _, seed := range all {
		var text string
		if text, err = ask(ctx, seed, func(ctx context.Context, c *redis.Client) (string, error) { return c.Info(ctx, "server").Result() }); err == nil {
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
			all = append(all, &redis.Options{Addr: address, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig})
		}
	case "sentinel":
		o, err := redis.ParseFailoverURL(url)
		if err != nil {
			return nil, err
		}
		for _, address := range o.SentinelAddrs {
			all = append(all, &redis.Options{Addr: address, Username: o.SentinelUsername, Password: o.SentinelPassword, TLSConfig: o.TLSConfig})
		}
	default:
		o, err := redis.ParseURL(url)
		return []*redis.Options{o}, err
	}
	return all, nil
}

// ask opens a client for one question.
func ask[T any](ctx context.Context, o *redis.Options, question func(context.Context, *redis.Client) (T, error)) (T, error) {
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, -1, 1
	client := redis.NewClient(o)
	defer client.Close() //nolint:errcheck // it was only asked
	ctx, cancel := context.WithTimeout(ctx, inspectBound)
	defer cancel()
	return question(ctx, client)
}

// Inspect asks every server of the Redis, and fails where not one can be asked. In a cluster, and behind sentinels, these
// are the masters and their replicas: each may have to take over.
func Inspect(ctx context.Context, mode, url string) ([]Server, error) {
	client, err := newClient(mode, url)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // it was only asked
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
		server.Away, server.Address = err != nil, node.Options().Addr
		mu.Lock()
		defer mu.Unlock()
		all = append(all, server)
		return nil
	})
	slices.SortFunc(all, func(a, b Server) int { return cmp.Compare(a.Address, b.Address) })
	return all, err
}

// inspectSentinels asks the master that the sentinels name, and the replicas that it knows.
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
	all := []Server{master}
	for _, address := range replicas {
		options := &redis.Options{Addr: address, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig}
		server, err := ask(ctx, options, func(ctx context.Context, c *redis.Client) (Server, error) {
			server, _, err := inspect(ctx, c)
			return server, err
		})
		server.Away, server.Address = err != nil, address
		all = append(all, server)
	}
	return all, nil
}

// inspect asks one server, also which replicas it has.
func inspect(ctx context.Context, client redis.Cmdable) (Server, []string, error) {
	text, err := client.Info(ctx).Result()
	if err != nil {
		return Server{}, nil, err
	}
	said := info(text)
	s := Server{
		Kind: said["redis_mode"], Version: said["redis_version"], Replica: said["role"] == "slave", AOF: said["aof_enabled"] == "1",
		Eviction: said["maxmemory_policy"], Used: integer(said["used_memory"]), Most: integer(said["maxmemory"]),
	}
	for _, job := range []string{"aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"} {
		if status := said[job]; status != "" && status != "ok" {
			s.Failing = job
		}
	}
	s.Fsync = setting(ctx, client, "appendfsync")
	s.Pauses = setting(ctx, client, "no-appendfsync-on-rewrite") == "yes"
	if s.Kind == "cluster" {
		state, _ := client.ClusterInfo(ctx).Result()
		s.ClusterState = info(state)["cluster_state"]
	}
	replicas := followers(said)
	s.Replicas = len(replicas)
	return s, replicas, nil
}

// info reads lines of name:value.
func info(text string) map[string]string {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		said[name] = value
	}
	return said
}

// followers are the addresses of the replicas that are up to their master: slave0:ip=…,port=…,state=online,….
func followers(said map[string]string) (addresses []string) {
	for n := 0; ; n++ {
		line, there := said["slave"+strconv.Itoa(n)]
		if !there {
			return addresses
		}
		fields := info(strings.NewReplacer(",", "\n", "=", ":").Replace(line))
		if host, _, _ := strings.Cut(line, ",port="); fields["state"] == "online" {
			addresses = append(addresses, net.JoinHostPort(strings.TrimPrefix(host, "ip="), fields["port"]))
		}
	}
}

// setting is empty where the server does not say.
func setting(ctx context.Context, client redis.Cmdable, name string) string {
	values, err := client.ConfigGet(ctx, name).Result()
	if err != nil {
		return ""
	}
	return values[name]
}

// String names the server and its place.
func (s Server) String() string {
	if s.Replica {
		return fmt.Sprintf("replica %s", s.Address)
	}
	return s.Address
}
