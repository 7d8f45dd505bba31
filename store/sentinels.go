package store

import (
	"cmp"
	"context"
	"errors"
	"net"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
)

// sentinels finds the master of a Redis. It asks all sentinels of the URL at the same time.
type sentinels struct {
	options *redis.FailoverOptions
	clients []*redis.SentinelClient
}

// An unreachable sentinel must not delay the answers of the others.
const (
	agreeBound = 400 * time.Millisecond // ends a question whether they agree
	slotsBound = 2 * time.Second        // ends a question where the master is, unless most have named one
)

var errNoSentinel = errors.New("no sentinel knows the master")

func newSentinels(o *redis.FailoverOptions) *sentinels {
	s := &sentinels{options: o}
	for _, address := range o.SentinelAddrs {
		s.clients = append(s.clients, redis.NewSentinelClient(&redis.Options{
			Addr: address, Username: o.SentinelUsername, Password: o.SentinelPassword, TLSConfig: o.TLSConfig,
			ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, PoolSize: 2,
		}))
	}
	return s
}

func (s *sentinels) close() error {
	var all []error
	for _, client := range s.clients {
		all = append(all, client.Close())
	}
	return errors.Join(all...)
}

// named counts the sentinels by the master that they name, until there are enough or the time is over.
func (s *sentinels) named(
	ctx context.Context, bound time.Duration, enough func(votes map[string]int) bool,
) map[string]int {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	answers := make(chan string, len(s.clients))
	for _, client := range s.clients {
		go func() {
			address, err := client.GetMasterAddrByName(ctx, s.options.MasterName).Result()
			if err != nil || len(address) != 2 {
				answers <- ""
				return
			}
			answers <- net.JoinHostPort(address[0], address[1])
		}()
	}
	votes := map[string]int{}
	for range s.clients {
		if master := <-answers; master != "" {
			votes[master]++
		}
		if enough(votes) {
			break
		}
	}
	return votes
}

// agreeOn reports whether all sentinels that answer name this master, and at least one answers.
func (s *sentinels) agreeOn(ctx context.Context, address string) bool {
	votes := s.named(ctx, agreeBound, func(votes map[string]int) bool { return len(votes) > 1 })
	return len(votes) == 1 && votes[address] > 0
}

// slots is the master that most sentinels name, as a cluster of one server.
func (s *sentinels) slots(ctx context.Context) ([]redis.ClusterSlot, error) {
	votes := s.named(ctx, slotsBound, func(votes map[string]int) bool {
		for _, count := range votes {
			if 2*count > len(s.clients) {
				return true
			}
		}
		return false
	})
	most, master := 0, ""
	for address, count := range votes {
		if count > most {
			most, master = count, address
		}
	}
	if most == 0 {
		return nil, errNoSentinel
	}
	return []redis.ClusterSlot{{Start: 0, End: lastSlot, Nodes: []redis.ClusterNode{{Addr: master}}}}, nil
}

const lastSlot = 16_383 // of a cluster

// connectionsOfCore is go-redis's default for the pool of one server; that for a cluster is half as many.
const connectionsOfCore = 10

// clusterOptions are those of the URL for a cluster of one server.
func (s *sentinels) clusterOptions() *redis.ClusterOptions {
	o := s.options
	return &redis.ClusterOptions{
		ClusterSlots: s.slots, ContextTimeoutEnabled: true, DisableRoutingPolicies: true,
		ClientName: o.ClientName, Protocol: o.Protocol, Username: o.Username, Password: o.Password,
		MaxRedirects: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries, DialerRetryTimeout: o.DialerRetryTimeout,
		ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		PoolFIFO: o.PoolFIFO, PoolSize: cmp.Or(o.PoolSize, connectionsOfCore*runtime.GOMAXPROCS(0)),
		PoolTimeout: o.PoolTimeout, MaxConcurrentDials: o.MaxConcurrentDials,
		MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns, MaxActiveConns: o.MaxActiveConns,
		PipelinePoolSize: o.PipelinePoolSize, PipelineReadBufferSize: o.PipelineReadBufferSize,
		PipelineWriteBufferSize: o.PipelineWriteBufferSize,
		ConnMaxLifetime:         o.ConnMaxLifetime, ConnMaxLifetimeJitter: o.ConnMaxLifetimeJitter,
		ConnMaxIdleTime: o.ConnMaxIdleTime, TLSConfig: o.TLSConfig,
		DisableIdentity: o.DisableIdentity, IdentitySuffix: o.IdentitySuffix,
	}
}
