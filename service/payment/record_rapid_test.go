package payment

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTruth: longer histories, delivered in any order, end in Stripe's state, as in TestExhaustive.
func TestTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, m := drawHistory(t)
		list := facts(history, m)
		if rapid.Bool().Draw(t, "old API version") {
			blindEvents(list)
		}
		r := merged(rapid.Permutation(drawMore(t, list)).Draw(t, "order")...)
		last := m.at[len(m.at)-1]
		for asked := 0; ; asked++ {
			shown := r.Resolve()
			if shown.NeedsRead && asked <= maxAsked {
				// The first two responses may be dated before one that is known: a clock may be wrong, and a response
				// slow.
				skew := rapid.Int64Range(-200, 200).Draw(t, "skew")
				date := max((last+skew+int64(asked)*2000)/1000, shown.NotBefore)
				r = Merge(r, answer(date, history[len(history)-1].after, asked, r.KnownIDs()))
				continue
			}
			end := history[len(history)-1].after
			if shown.Charge.Unknown {
				end.Charge = shown.Charge
			}
			if shown.NeedsRead || shown.Contradictory || !reflect.DeepEqual(shown.Snapshot, end) {
				t.Fatalf(
					"%s\nafter %d reads the record shows %+v and needs a read: %v\nStripe has %+v",
					describe(history, m), asked,
					shown.Snapshot, shown.NeedsRead, end,
				)
			}
			return
		}
	})
}

// TestViewIsOfTheSet: a history is applied in two orders. The last views differ at most in version and updated_at.
func TestViewIsOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, m := drawHistory(t)
		list := drawMore(t, facts(history, m))
		var views [2]View
		for i := range views {
			o := openOrder("pi_1")
			for _, f := range rapid.Permutation(list).Draw(t, "order") {
				before, version := o.Render("pi_1"), o.Version
				next, changes := o.Apply(seenAs("pi_1", 1, f), noon)
				visible := len(changes.Views) > 0
				if len(changes.Needs) > 0 || visible != (next.Version > version) ||
					visible == bytes.Equal(next.Render("pi_1"), before) {
					t.Fatalf("visible %v, version %d after %d, needs %v", visible, next.Version, version, changes.Needs)
				}
				o = next
			}
			views[i], _ = o.View("pi_1")
			views[i].Version, views[i].UpdatedAt = 0, time.Time{}
		}
		if !reflect.DeepEqual(views[0], views[1]) {
			t.Fatalf("%s\none   %s\nother %s", describe(history, m), views[0].encode(), views[1].encode())
		}
	})
}

// TestDoubtOfTruth: any response of a history may be a replay, which is older than its date by any number of
// steps. The record then shows Stripe's state, or needs a read.
func TestDoubtOfTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, m := drawHistory(t)
		list := []RecordFact{opening(10, newTruth().Snapshot)}
		for i, f := range facts(history, m) {
			if _, isRead := f.(Read); isRead && rapid.Bool().Draw(t, "replay") {
				f = StaleResponse(m.stamp(i))
			}
			list = append(list, f)
		}
		r := merged(rapid.Permutation(list).Draw(t, "order")...)
		end := history[len(history)-1].after
		if shown := r.Resolve(); !shown.NeedsRead && !reflect.DeepEqual(shown.Snapshot, end) {
			t.Fatalf("%s\n%+v\nshown without a read %+v\nStripe has %+v",
				describe(history, m), list, shown.Snapshot, end)
		}
	})
}

// mergeIsOfTheSet: a record does not depend on the order of the facts, on repeated facts, or on storing and loading it
// in between.
func mergeIsOfTheSet(t *rapid.T) {
	list := drawFacts(t)
	want := merged(list...)
	order := rapid.Permutation(list).Draw(t, "order")
	order = append(order, rapid.SliceOf(rapid.SampledFrom(list)).Draw(t, "duplicates")...)
	if got := text(t, merged(order...)); got != text(t, want) { // empty metadata equal none
		t.Fatalf("another order:\n got %s\nwant %s", got, text(t, want))
	}
	var got Record
	for _, f := range order {
		got = stored(t, Merge(got, f))
	}
	if a, b := text(t, got), text(t, want); a != b {
		t.Fatalf("stored between:\n got %s\nwant %s", a, b)
	}
	if want.Empty() {
		return
	}
	p := &Payment{ID: "pi_1", Record: want}
	q := &Payment{ID: "pi_1", Record: got}
	if a, b := won(p).view(&Attempt{}, p).encode(), won(q).view(&Attempt{}, q).encode(); string(a) != string(b) ||
		!json.Valid(PublicPart(a)) {
		t.Fatalf("views differ, or are no JSON:\n%s\n%s", a, b)
	}
}

// stored returns the record after it was stored and loaded.
func stored(t *rapid.T, r Record) Record {
	o := Order{ID: "o"}
	back, err := o.DecodePayment(o.AppendPayment(nil, &Payment{ID: "pi_1", Record: r}), "pi_1")
	if err != nil {
		t.Fatal(err)
	}
	if want, got := text(t, r), text(t, back.Record); want != got {
		t.Fatalf("stored %s\nloaded %s", want, got)
	}
	return back.Record
}

// TestDropCommutes: facts are merged in two orders. In one, ended data are dropped at each step, and in the other once
// at the end. The records are the same, and show the same as a record from which nothing is dropped.
func TestDropCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawFacts(t)
		dropping := merged(rapid.Permutation(list).Draw(t, "one order")...)
		var whole Record
		for _, f := range rapid.Permutation(list).Draw(t, "another order") {
			f.mergeInto(&whole)
		}
		dropped := whole
		dropped.dropEnded()
		if a, b := text(t, dropping), text(t, dropped); a != b {
			t.Fatalf("dropped at each step\n%s\nand at the end\n%s", a, b)
		}
		if whole.Empty() {
			return
		}
		if a, b := dropping.Resolve(), whole.Resolve(); !reflect.DeepEqual(a, b) {
			t.Fatalf("the record shows\n%+v\nand without dropping\n%+v", a, b)
		}
	})
}

// TestMergeIsOfTheSet: the record is a function of the set of facts.
func TestMergeIsOfTheSet(t *testing.T) { rapid.Check(t, mergeIsOfTheSet) }

// FuzzMerge is TestMergeIsOfTheSet on fuzzed data.
func FuzzMerge(f *testing.F) {
	for seed := range uint64(8) {
		data := make([]byte, 4096)
		_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
		f.Add(data)
	}
	f.Fuzz(rapid.MakeFuzz(mergeIsOfTheSet))
}

// TestMergeLeavesItsInputs: two facts are merged into one record whose slices have spare capacity. The record, the
// facts and the first result stay as they are.
func TestMergeLeavesItsInputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := merged(drawFacts(t)...)
		r.Recent, r.Terminal = slices.Grow(r.Recent, 8), slices.Grow(r.Terminal, 8)
		r.Reads, r.Failures = slices.Grow(r.Reads, 8), slices.Grow(r.Failures, 8)
		f, g := rapid.Custom(drawFact).Draw(t, "one"), rapid.Custom(drawFact).Draw(t, "other")
		before, after := text(t, r), text(t, f)
		first := Merge(r, f)
		want := text(t, first)
		if second := Merge(r, g); !second.Empty() {
			second.Resolve()
		}
		if got := text(t, r); got != before {
			t.Fatalf("the record was\n%s\nand is\n%s", before, got)
		}
		if text(t, first) != want || text(t, f) != after {
			t.Fatalf("the second merge changed the fact or the result of the first:\n%s\n%s", want, text(t, first))
		}
	})
}

func text(t *rapid.T, value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
