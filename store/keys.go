package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"strconv"

	"kasse/service/payment"
	"kasse/service/push"
)

// keyPrefix begins every key.
const keyPrefix = "kasse:{"

// partition is one slice of the keys; everything in it shares a slot of a Redis Cluster.
type partition string

// paymentPartition is the partition of a payment's pointer.
func (s *Store) paymentPartition(id payment.ID) partition { return s.partitionAt(s.hash(string(id))) }

// orderPartition is the partition of an order with all its payments.
func (s *Store) orderPartition(id payment.OrderID) partition {
	return s.partitionAt(s.hash(string(id)))
}

func (s *Store) partitionAt(n int) partition { return partitionNames[n] }

// partitionNames begin the keys of each partition.
var partitionNames = func() (names [maxPartitions]partition) {
	for n := range names {
		names[n] = partition(keyPrefix + "p" + strconv.Itoa(n) + "}:")
	}
	return names
}()

// orderKey is the partition and the key of an order, or of a foreign payment that names it.
func (s *Store) orderKey(ref payment.Ref) (partition, string) {
	part := s.orderPartition(ref.Order)
	if ref.Foreign != "" {
		return part, part.foreign(ref.Foreign)
	}
	return part, part.order(ref.Order)
}

func (s *Store) hash(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % uint32(s.Partitions)) //nolint:gosec // 1 to 64
}

func (p partition) pointer(id payment.ID) string    { return string(p) + "pi:" + string(id) }
func (p partition) foreign(id payment.ID) string    { return string(p) + "foreign:" + string(id) }
func (p partition) attention() string               { return string(p) + "attention" }
func (p partition) notOurs(id payment.ID) string    { return string(p) + "notours:" + string(id) }
func (p partition) order(id payment.OrderID) string { return string(p) + "order:" + string(id) }
func (p partition) byCreation() string              { return string(p) + "index:created" }
func (p partition) byCustomer() string              { return string(p) + "index:customer" }
func (p partition) prune() string                   { return string(p) + "prune" }
func (p partition) events() string                  { return string(p) + "events" }
func (p partition) changed() string                 { return string(p) + "changed" }
func (p partition) reads() string                   { return string(p) + "reads" }
func (p partition) sweep() string                   { return string(p) + "sweep" }

// restore is the queue of payments to restore that order tokens have named, or the one of all others.
func (p partition) restore(byToken bool) string {
	if byToken {
		return string(p) + "restore:token"
	}
	return string(p) + "restore"
}

func (p partition) masked() string           { return string(p) + "masked" }
func (p partition) catchUp() string          { return string(p) + "catchup" }
func (p partition) lease(name string) string { return string(p) + "lease:" + name }
func (p partition) passes() string           { return string(p) + "passes" }
func (p partition) meta() string             { return string(p) + "meta" }
func (p partition) fence() string            { return string(p) + "fence" }
func (p partition) rebuild() string          { return string(p) + "rebuild" }
func (p partition) quarantine() string       { return string(p) + "quarantine" }
func (p partition) readBudget() string       { return string(p) + "budget" }

// unknown contains a hash of the id: a path may contain a client secret by mistake, and no secret is written
// to Redis.
func (p partition) unknown(id payment.ID) string {
	sum := sha256.Sum256([]byte(id))
	return string(p) + "unknown:" + hex.EncodeToString(sum[:16])
}

func (p partition) limit(name string) string { return string(p) + "limit:" + name }

// pushKeys are what one endpoint has in a partition.
type pushKeys struct{ share, retries, dead, log, group string }

func (p partition) push(e push.EndpointID) pushKeys {
	share := string(p) + "push:" + string(e)
	return pushKeys{
		share: share, retries: share + ":retries", dead: share + ":dead", log: share + ":log", group: e.Group(),
	}
}
