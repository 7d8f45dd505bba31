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

// TestTruth ends longer histories in any order, and judges the end like TestExhaustive does.
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
				// Skewed or slow, an answer may be dated before one that is known; the third is not.
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
					"%s\nafter %d reads shown %+v, wanted %v\nin truth %+v", story(history, m), asked,
					shown.Snapshot, shown.NeedsRead, end,
				)
			}
			return
		}
	})
}

// TestViewIsOfTheSet writes a history in two orders: the last views differ at most in version and updated_at.
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
			t.Fatalf("%s\none   %s\nother %s", story(history, m), views[0].encode(), views[1].encode())
		}
	})
}

// TestDoubtOfTruth lets every answer of the history be a replay, older than its date by any number of steps.
// A doubted answer may not be merged, and the end is right or wants a read.
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
			t.Fatalf("%s\n%+v\nshown without a doubt %+v\nin truth %+v", story(history, m), list, shown.Snapshot, end)
		}
	})
}

// mergeIsOfTheSet holds that splitting, ordering, repeating, storing and loading change nothing.
func mergeIsOfTheSet(t *rapid.T) {
	list := drawFacts(t)
	want := merged(list...)
	order := rapid.Permutation(list).Draw(t, "order")
	order = append(order, rapid.SliceOf(rapid.SampledFrom(list)).Draw(t, "duplicates")...)
	if got := text(t, merged(order...)); got != text(t, want) { // empty metadata are as good as none
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

// stored is the record as it comes back from Redis.
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

// TestDropCommutes merges facts in two orders. In one, ended data is dropped at each step; in the other, once
// at the end. The records are the same, and show the same as one without dropping.
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
			t.Fatalf("shown\n%+v\nand with everything kept\n%+v", a, b)
		}
	})
}

func TestMergeIsOfTheSet(t *testing.T) { rapid.Check(t, mergeIsOfTheSet) }

func FuzzMerge(f *testing.F) {
	for seed := range uint64(8) {
		data := make([]byte, 4096)
		_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
		f.Add(data)
	}
	f.Fuzz(rapid.MakeFuzz(mergeIsOfTheSet))
}

// TestMergeLeavesItsInputs merges different facts into one record, with room to spare in its slices: neither the record
// nor what was made of it before may change.
func TestMergeLeavesItsInputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := merged(drawFacts(t)...)
		r.Recent, r.Terminal = slices.Grow(r.Recent, 8), slices.Grow(r.Terminal, 8)
		r.Reads, r.Failures = slices.Grow(r.Reads, 8), slices.Grow(r.Failures, 8)
		f, g := rapid.Custom(drawFact).Draw(t, "one"), rapid.Custom(drawFact).Draw(t, "other")
		before, after := text(t, r), text(t, f)
		first := Merge(r, f)
		was := text(t, first)
		if second := Merge(r, g); !second.Empty() {
			second.Resolve()
		}
		if got := text(t, r); got != before {
			t.Fatalf("the record was\n%s\nand is\n%s", before, got)
		}
		if text(t, first) != was || text(t, f) != after {
			t.Fatalf("one merge changed what the other was given or gave:\n%s\n%s", was, text(t, first))
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
