package store

import (
	"hash/fnv"
	"strconv"

	"kasse/service"
	"kasse/service/push"
)

// keyPrefix begins every key.
const keyPrefix = "kasse:{"

// partition is one slice of the keys; everything in it shares a slot of a Redis Cluster.
type partition string

func (s *Store) paymentPartition(id service.PaymentID) partition {
	return s.paymentPartitionAt(s.hash(string(id)))
}

func (s *Store) orderPartition(id service.OrderID) partition {
	return s.orderPartitionAt(s.hash(string(id)))
}

func (s *Store) paymentPartitionAt(n int) partition {
	return partition(keyPrefix + "p" + strconv.Itoa(n) + "}:")
}

func (s *Store) orderPartitionAt(n int) partition {
	return partition(keyPrefix + "o" + strconv.Itoa(n) + "}:")
}

func (s *Store) hash(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % uint32(s.Partitions)) //nolint:gosec // 1 to 64
}

func (p partition) payment(id service.PaymentID) string { return string(p) + "payment:" + string(id) }
func (p partition) order(id service.OrderID) string     { return string(p) + "order:" + string(id) }
func (p partition) events() string                      { return string(p) + "events" }
func (p partition) changed() string                     { return string(p) + "changed" }
func (p partition) reads() string                       { return string(p) + "reads" }
func (p partition) sweep() string                       { return string(p) + "sweep" }
func (p partition) restore() string                     { return string(p) + "restore" }
func (p partition) strangers() string                   { return string(p) + "strangers" }
func (p partition) catchUp() string                     { return string(p) + "catchup" }
func (p partition) lease(name string) string            { return string(p) + "lease:" + name }
func (p partition) meta() string                        { return string(p) + "meta" }
func (p partition) fence() string                       { return string(p) + "fence" }
func (p partition) rebuild() string                     { return string(p) + "rebuild" }
func (p partition) quarantine() string                  { return string(p) + "quarantine" }
func (p partition) limit(name string) string            { return string(p) + "limit:" + name }

// pushKeys are what one endpoint has in a partition.
type pushKeys struct{ share, retries, dead, log, group string }

func (p partition) push(e push.EndpointID) pushKeys {
	share := string(p) + "push:" + string(e)
	return pushKeys{share: share, retries: share + ":retries", dead: share + ":dead", log: share + ":log", group: "push:" + string(e)}
}
