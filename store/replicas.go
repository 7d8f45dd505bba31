package store

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A master lists the replicas that are connected to it. A replica that is stopped is missing from that list, although a
// failover may promote it once it has returned. The sentinels and the other nodes of a cluster still know it.

// followers returns the addresses of the replicas in sync with their master, and how many others are connected to it:
// slave0:ip=…,port=…,state=online,….
func followers(replication map[string]string) (addresses []string, copying int) {
	for n := 0; ; n++ {
		line, there := replication["slave"+strconv.Itoa(n)]
		if !there {
			return addresses, copying
		}
		fields := info(strings.NewReplacer(",", "\n", "=", ":").Replace(line))
		if host, _, _ := strings.Cut(line, ",port="); fields["state"] == "online" {
			addresses = append(addresses, net.JoinHostPort(strings.TrimPrefix(host, "ip="), fields["port"]))
		} else {
			copying++
		}
	}
}

// sentinelReplicas returns the replicas that the first sentinel to answer knows. A sentinel remembers a replica that
// was removed, until SENTINEL RESET.
func sentinelReplicas(ctx context.Context, o *redis.FailoverOptions) []map[string]string {
	for _, address := range o.SentinelAddrs {
		sentinel := redis.NewSentinelClient(&redis.Options{
			Addr: address, Username: o.SentinelUsername, Password: o.SentinelPassword, TLSConfig: o.TLSConfig,
			ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
		})
		ctx, cancel := context.WithTimeout(ctx, inspectBound)
		replicas, err := sentinel.Replicas(ctx, o.MasterName).Result()
		cancel()
		_ = sentinel.Close() // it was only read from
		if err == nil {
			return replicas
		}
	}
	return nil
}

// clusterReplicas returns how many replicas a master of a cluster has, by its own view of the cluster. It returns 0 if
// the user lacks the right to CLUSTER NODES.
func clusterReplicas(ctx context.Context, master redis.Cmdable) (count int) {
	text, err := master.ClusterNodes(ctx).Result()
	if err != nil {
		return 0
	}
	var own string
	var masters []string                    // the master of each replica
	for line := range strings.Lines(text) { // id address flags master …
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		switch flags := "," + fields[2] + ","; {
		case strings.Contains(flags, ",myself,"):
			own = fields[0]
		case strings.Contains(flags, ",slave,"):
			masters = append(masters, fields[3])
		}
	}
	for _, id := range masters {
		if id == own {
			count++
		}
	}
	return count
}
