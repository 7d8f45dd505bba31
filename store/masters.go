package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// masters listens to each master that holds partitions: those of a cluster, or the one that the sentinels name.
//
// Each listener treats its master as a single server. A view that was read from a master is served only while that
// master answers that it holds the partition, and answers on the subscription. So 1.5 s after its last such answer
// nothing is served from a master that was replaced or whose slot moved. A new listener forgets all views before it
// trusts any, since changes on the previous server are not known.
type masters struct {
	*Store
	cluster   *redis.ClusterClient
	all       sync.WaitGroup
	changed   chan struct{} // a sign that the masters may have changed
	listening map[*redis.Client]listening
}

// listening is a listener that runs.
type listening struct {
	partitions []int
	stop       context.CancelFunc
}

// listenToMasters passes hints on until the context ends.
func (s *Store) listenToMasters(ctx context.Context, cluster *redis.ClusterClient) {
	ctx, cancel := context.WithCancel(ctx)
	m := &masters{
		Store: s, cluster: cluster, changed: make(chan struct{}, 1), listening: map[*redis.Client]listening{},
	}
	defer m.all.Wait()
	defer cancel()
	for ctx.Err() == nil {
		m.follow(ctx)
		if s.Readers.sentinels != nil {
			cluster.ReloadState(ctx) // a master that became a replica answers reads without a redirect
		}
		select {
		case <-ctx.Done():
		case <-m.changed:
			pause(ctx, listenPause) // go-redis looks up the masters meanwhile
		case <-time.After(askEvery):
		}
	}
}

// follow listens to the masters that hold partitions, and to no other server.
func (m *masters) follow(ctx context.Context) {
	found := m.find(ctx)
	for master, l := range m.listening {
		if !slices.Equal(l.partitions, found[master]) {
			l.stop()
			delete(m.listening, master)
		}
	}
	for master, partitions := range found {
		if _, runs := m.listening[master]; !runs {
			m.start(ctx, master, partitions)
		}
	}
}

// find returns the partitions of each master, as far as it is known.
func (m *masters) find(ctx context.Context) map[*redis.Client][]int {
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	found := map[*redis.Client][]int{}
	for n := range m.Partitions {
		master, err := m.cluster.MasterForKey(ctx, m.partitionAt(n).meta())
		if err != nil {
			return nil
		}
		found[master] = append(found[master], n)
	}
	return found
}

// start listens to a master until it is stopped.
func (m *masters) start(ctx context.Context, master *redis.Client, partitions []int) {
	ctx, cancel := context.WithCancel(ctx)
	m.listening[master] = listening{partitions, cancel}
	h := holder{client: master, number: numberOf(master), partitions: partitions}
	h.held = func(ctx context.Context) []int { return m.held(ctx, master, partitions) }
	m.all.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			m.listen(ctx, h)
			m.lookAgain(ctx)
			pause(ctx, listenPause)
		}
	})
}

// lookAgain looks up the masters again.
func (m *masters) lookAgain(ctx context.Context) {
	m.cluster.ReloadState(ctx)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// held returns the partitions that a master holds by its own report and by that of the sentinels. A partition
// whose slot is being moved to another master counts as not held.
func (m *masters) held(ctx context.Context, master *redis.Client, partitions []int) (held []int) {
	ctx, cancel := context.WithTimeout(ctx, trustFor)
	defer cancel()
	if s := m.Readers.sentinels; s != nil {
		if !s.agreeOn(ctx, master.Options().NodeAddress) { // Addr is without the host of loopback
			m.lookAgain(ctx)
			return nil
		}
		return partitions // with the answer on the subscription
	}
	replies, _ := master.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, n := range partitions {
			_ = pipe.Process(ctx, askMark(ctx, m.partitionAt(n).meta()))
		}
		return nil
	})
	for i, reply := range replies {
		if reply.Err() == nil {
			held = append(held, partitions[i])
		}
	}
	if len(held) < len(partitions) {
		m.lookAgain(ctx)
	}
	return held
}
