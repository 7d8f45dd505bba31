package stripesim

import (
	"math/rand/v2"
	"time"
)

// eventFaults decides an event's fault from the seed and the event's number, so that a run replays with any
// order of goroutines.
type eventFaults struct {
	Seed                     uint64
	Duplicate, Reorder, Drop float64
	made                     uint64
}

// deliveryPlan is the fault of one event.
type deliveryPlan struct {
	dropped  bool          // neither delivered nor listed
	repeated bool          // delivered twice
	twin     bool          // made twice, with two ids
	delay    time.Duration // delivered late, after later events
}

const (
	twinShare = 0.25            // share of the duplicates that have another id
	maxDelay  = 2 * time.Second // of a reordered event
)

func (m *eventFaults) next() deliveryPlan {
	m.made++
	random := rand.New(rand.NewPCG(m.Seed, m.made)) //nolint:gosec // a run must replay from its seed
	dropped, twice, late := random.Float64() < m.Drop, random.Float64() < m.Duplicate, random.Float64() < m.Reorder
	twin := twice && random.Float64() < twinShare
	f := deliveryPlan{dropped: dropped, repeated: twice && !twin, twin: twin}
	if late {
		f.delay = time.Duration(random.Int64N(int64(maxDelay)))
	}
	return f
}
