package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"kasse/test/internal/testenv"
)

// size scales a round.
type size struct {
	load           time.Duration // duration of the load
	rate           int           // orders per second
	faults         int           // number of faults, for kinds that repeat their fault
	away           time.Duration // how long Redis stays unreachable
	replayDuration string        // the DURATION that replays it on one seed
}

var (
	short = size{load: 5 * time.Second, rate: 12, faults: 2, away: 3 * time.Second, replayDuration: "0"}
	long  = size{load: 40 * time.Second, rate: 10, faults: 6, away: 30 * time.Second, replayDuration: "1s"}
)

// moment is the planned start of a fault, with its random parts.
type moment struct {
	at   time.Duration // earliest time after the start of the load
	span time.Duration // duration, up to a second
	pick uint64        // selects the fault's target
}

// plan holds everything that a seed decides of a round. The timing of the machine is not part of it.
type plan struct {
	orders  []testenv.OrderPlan
	moments []moment
	seed    uint64 // seed of proxies and deliveries
}

// newPlan draws a round's plan. Faults start in the middle of the load.
func newPlan(seed uint64, round string, s size, faults int) plan {
	name := fnv.New64a()
	name.Write([]byte(round))
	dice := rand.New(rand.NewPCG(seed, name.Sum64()))
	p := plan{seed: dice.Uint64()}
	p.orders = testenv.DrawOrders(dice, s.load, s.rate, func(i int) string { return orderName(round, seed, i) })
	for i := range faults {
		share := (float64(i) + 0.3 + 0.4*dice.Float64()) / float64(faults)
		p.moments = append(p.moments, moment{
			at: time.Duration(share * float64(s.load)), span: time.Duration(dice.Int64N(int64(time.Second))),
			pick: dice.Uint64(),
		})
	}
	return p
}

func orderName(round string, seed uint64, number int) string {
	return fmt.Sprintf("%s.%d.%d", strings.ReplaceAll(round, " ", "-"), seed, number)
}
