package payment

import (
	"flag"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"kasse/test/rounds"
)

var histories = flag.Int(
	"histories", 0,
	"longest history of TestExhaustive, in steps; 0: by KASSE_TEST_ROUNDS. Each further step takes about "+
		"20 times as long",
)

// longestHistory is 4 if all rounds are wanted, and shorter with the race detector. The detector makes it
// fifteen times slower and finds nothing in pure functions. `make check` runs the long ones in a step without
// it.
func longestHistory() int {
	if *histories > 0 {
		return *histories
	}
	build, _ := debug.ReadBuildInfo()
	if build != nil && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return 3
	}
	return rounds.Of(3, 3, 4)
}

// maxAsked limits the reads until a payment is right: one, and another two seconds later if the first one is
// too close to an older one.
const maxAsked = 2

// tally counts what the exhaustive test has done.
type tally struct{ histories, deliveries, asked, askedTwice atomic.Int64 }

// TestExhaustive: every history of the model, delivered in every order and with duplicates, ends in Stripe's state.
// The test visits every set of facts instead of every order. It checks that each way of building a set gives the
// same record, and that adding a fact again changes nothing. So every order with any duplicates ends in the same
// record.
func TestExhaustive(t *testing.T) {
	var count tally
	t.Cleanup(func() {
		t.Logf("%d histories, %d deliveries; a read asked for in %d, a second in %d",
			count.histories.Load(), count.deliveries.Load(), count.asked.Load(), count.askedTwice.Load())
	})
	start := newTruth()
	for _, first := range start.possible() {
		t.Run(first.name, func(t *testing.T) {
			t.Parallel()
			after := start
			first.happen(&after)
			walk(t, &count, after, []happened{{step: first, after: after.Snapshot}})
		})
	}
}

// walk checks a history, and all its continuations.
func walk(t *testing.T, count *tally, now truth, history []happened) {
	t.Helper()
	for _, m := range allMoments(history) {
		count.histories.Add(1)
		checkHistory(t, count, history, m)
		if t.Failed() {
			return
		}
	}
	if len(history) == longestHistory() {
		return
	}
	for _, next := range now.possible() {
		after := now
		next.happen(&after)
		for _, covers := range knowledge(history, next) {
			walk(t, count, after, append(slices.Clip(history), happened{next, covers, after.Snapshot}))
		}
	}
}

// knowledge returns the sets of earlier steps that may have been known when the next one began. For a silent step that
// is none, all, or all but the newest. For an event it does not matter.
func knowledge(history []happened, next step) [][]int {
	var all []int
	for i := range history {
		all = append(all, i)
	}
	known := [][]int{nil}
	if next.silent {
		known = append(known, all)
		if len(all) > 1 {
			known = append(known, all[:len(all)-1])
		}
	}
	return known
}

// allMoments returns times for the steps of a history: with gaps of 5 ms and of 1 s, and with clocks that agree or are
// 400 ms apart. The first time is so late in its second that a clock that is ahead shows the next one. Equal stamps are
// returned once.
func allMoments(history []happened) []moments {
	var all []moments
	known := map[string]bool{}
	for gaps := range 1 << (len(history) - 1) {
		for _, skew := range [][2]int64{{0, 0}, {200, -200}, {-200, 200}} {
			var m moments
			var stamps []byte
			at := int64(10_850)
			for i := range history {
				if i > 0 {
					at += []int64{5, 1000}[gaps>>(i-1)&1]
				}
				m.at, m.skew = append(m.at, at), append(m.skew, skew[i%2])
				stamps = append(stamps, byte(m.stamp(i)))
			}
			if !known[string(stamps)] {
				known[string(stamps)] = true
				all = append(all, m)
			}
		}
	}
	return all
}

func checkHistory(t *testing.T, count *tally, history []happened, m moments) {
	t.Helper()
	list := facts(history, m)
	if len(list) < 4 { // for longer lists the opening would double the time
		list = append(list, Creation{Observation{At: 10, Snapshot: newTruth().Snapshot}})
	}
	r := everySet(t, count, list)
	end := history[len(history)-1].after
	for asked := 0; ; asked++ {
		shown := r.Resolve()
		if shown.NeedsRead && asked < maxAsked {
			now := m.at[len(m.at)-1] + 5 + m.skew[asked%2]
			r = Merge(r, answer(max(now/1000, shown.NotBefore), end, asked, r.KnownIDs()))
			[]*atomic.Int64{&count.asked, &count.askedTwice}[asked].Add(1)
			continue
		}
		if shown.NeedsRead || shown.Contradictory || !reflect.DeepEqual(shown.Snapshot, end) {
			t.Errorf(
				"%s\nafter %d reads the record shows %+v and needs a read: %v\nStripe has %+v",
				describe(history, m), asked,
				shown.Snapshot, shown.NeedsRead, end,
			)
		}
		return
	}
}

// answer returns the result of a read, with the covered ids that service.Read uses.
func answer(date int64, s Snapshot, asked int, covers []string) Read {
	return Read{
		Observation: Observation{At: date, Snapshot: s}, IDs: []string{fmt.Sprintf("req_asked_%d", asked)},
		KnownBefore: covers,
	}
}

// everySet merges the facts by building every set of them, and returns the record of all.
func everySet(t *testing.T, count *tally, list []RecordFact) Record {
	t.Helper()
	records := make([]Record, 1<<len(list))
	for set := 1; set < len(records); set++ {
		for i, f := range list {
			if set>>i&1 == 0 {
				continue
			}
			r := Merge(records[set&^(1<<i)], f)
			if set&(1<<i-1) == 0 { // the first of the set
				records[set] = r
			}
			count.deliveries.Add(2)
			if again := Merge(r, f); !reflect.DeepEqual(r, records[set]) || !reflect.DeepEqual(again, r) {
				t.Fatalf("%+v\nlast %+v\n got %+v\nwant %+v\nagain %+v", list, f, r, records[set], again)
			}
		}
	}
	return records[len(records)-1]
}

// describe returns a history as text, for the message of a failed test.
func describe(history []happened, m moments) string {
	var b strings.Builder
	for i, h := range history {
		b.WriteString("\n" + h.name)
		if h.silent {
			b.WriteString(" (answer)")
		}
		b.WriteString(" at " + moment(m.stamp(i)).Format("05") + " s")
		for _, k := range h.covers {
			b.WriteString(", knew " + history[k].name)
		}
	}
	return b.String()
}
