package payment

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// filler sets every member of a value to a value of its own. Lists get two items.
type filler struct{ n int64 }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1_760_000_000 + f.n)
	case reflect.String:
		if v.Type() != reflect.TypeFor[Added]() {
			v.SetString(fmt.Sprintf("text_%d", f.n))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_760_000_000+f.n, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; isStored(v.Type(), name) {
				f.fill(v.Field(i))
			}
		}
	default:
		panic(v.Kind())
	}
}

// isStored reports whether the stored form has a member. It has all but the ids that are in the key, and those that the
// store sets.
func isStored(t reflect.Type, member string) bool {
	switch {
	case t == reflect.TypeFor[Order]():
		return !strings.Contains(" ID Foreign Revision Raw Blocks Loaded Rules pass ", " "+member+" ")
	case t == reflect.TypeFor[Payment]():
		return member != "ID" && member != "Raw"
	}
	return true
}

// filled returns an order with every member set, and with two payments. The first is the winner.
func filled() Order {
	o := Order{ID: "order-1"}
	f := &filler{}
	f.fill(reflect.ValueOf(&o).Elem())
	for i := range o.Attempts {
		o.Attempts[i].Number = i + 1
	}
	o.Winner = o.Attempts[0].Payment
	o.Loaded = map[ID]*Payment{}
	for _, a := range o.Attempts {
		p := &Payment{ID: a.Payment}
		f.fill(reflect.ValueOf(p).Elem())
		p.ID, p.Raw = a.Payment, nil
		o.Loaded[a.Payment] = p
	}
	return o
}

// again returns the order after it was encoded and decoded.
func again(t interface{ Fatal(...any) }, o Order) Order {
	got := Order{ID: o.ID, Foreign: o.Foreign}
	if err := got.DecodeOrder(o.AppendOrder(nil)); err != nil {
		t.Fatal(err)
	}
	for id, p := range o.Loaded {
		if id == o.Current() {
			continue
		}
		read, err := o.DecodePayment(o.AppendPayment(nil, p), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.Loaded == nil {
			got.Loaded = map[ID]*Payment{}
		}
		got.Loaded[id] = read
	}
	return got
}

// TestStoredFormKeepsEveryMember fails if a member was added to a type and not to its stored form.
func TestStoredFormKeepsEveryMember(t *testing.T) {
	want := filled()
	if sameStored(t, want, again(t, want)); t.Failed() {
		return // the tests below would report the same members
	}
	for _, member := range storedMembers(reflect.ValueOf(want)) {
		o := filled()
		reflect.ValueOf(&o).Elem().FieldByName(member).SetZero()
		sameStored(t, o, again(t, o))
	}
}

// storedMembers returns the names of the stored members of a struct, except Winner and Attempts.
func storedMembers(v reflect.Value) (names []string) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; isStored(v.Type(), name) && name != "Winner" && name != "Attempts" {
			names = append(names, name)
		}
	}
	return names
}

// TestStoredFormOfNothing: empty values are decoded as they were.
func TestStoredFormOfNothing(t *testing.T) {
	sameStored(t, Order{ID: "o"}, again(t, Order{ID: "o"}))
	o := Order{ID: "o", Attempts: []Attempt{{Number: 1, Payment: "pi_1", Session: &SessionFeatures{}}}}
	o.Loaded = map[ID]*Payment{"pi_1": {ID: "pi_1"}}
	o.Loaded["pi_1"].Record.Recent = []Observation{{Snapshot: Snapshot{Failure: &Failure{}}}}
	sameStored(t, o, again(t, o))
}

// TestStoredTexts: each text is decoded as it was, in each of the forms that the encoding uses.
func TestStoredTexts(t *testing.T) {
	special := rapid.SampledFrom([]string{
		"", "0", "01", "1", "123", "999999999999999999", "1000000000000000000", "18446744073709551616", "-1", "ab",
		"abcdef01", "ABCDEF01", "abcdef0", "pi_3OxYzabcdefghijklmnopqr", "--------", "________x", "kasse",
		"kasse_order_id", "Grüße", "\x00", "\xff\xfe", strings.Repeat("a", 300), strings.Repeat("Z_", 300),
		strings.Repeat("€", 500), "payment_intent.created",
	})
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOf(rapid.OneOf(special, rapid.String(), rapid.StringMatching(`[A-Za-z0-9_-]{0,40}`),
			rapid.StringMatching(`[0-9]{0,22}`), rapid.StringMatching(`[0-9a-f]{0,70}`))).Draw(t, "texts")
		var w coder
		for _, s := range some {
			w.writeText(s)
		}
		r := coder{reading: true, buf: w.buf}
		for _, want := range some {
			if got := r.readText(); got != want {
				t.Fatalf("%q was decoded as %q", want, got)
			}
		}
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStoredFormKeepsWhatIsNewer: members that a newer program has added to any group are written again as they were.
func TestStoredFormKeepsWhatIsNewer(t *testing.T) {
	const newest = 1000
	var c coder
	c.ms(newest, new(int64(1_760_000_000_123)))
	c.secs(newest+1, new(int64(1_760_000_000)))
	c.yes(newest+2, new(true))
	numberField(&c, newest+3, new(-5))
	for i := range 2 { // the second refers to the first
		textField(&c, newest+4+i, new("a text that comes twice"))
	}
	c.open(newest + 6)
	textField(&c, 1, new("order-1"))
	c.close(new(Added))
	added := Added(c.buf)
	newer := filled()
	put(reflect.ValueOf(&newer).Elem(), added)
	for _, p := range newer.Loaded {
		put(reflect.ValueOf(p).Elem(), added)
	}
	got := again(t, newer)
	sameStored(t, newer, got)
	if n := strings.Count(fmt.Sprintf("%q", got.AppendOrder(nil)), "that comes twice"); n != 1 {
		t.Errorf("a text that comes in every group is written %d times", n)
	}
	got.LastWord.Fulfillable, got.Rev = false, 5 // a write of an older program
	newer.LastWord.Fulfillable, newer.Rev = false, 5
	sameStored(t, newer, again(t, got))
}

// put sets every member of the type Added in a value.
func put(v reflect.Value, added Added) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[Added]() {
			v.SetString(string(added))
		}
	case reflect.Pointer:
		put(v.Elem(), added)
	case reflect.Slice:
		for i := range v.Len() {
			put(v.Index(i), added)
		}
	case reflect.Map:
		if v.Type().Key() == reflect.TypeFor[ID]() {
			return // Loaded: its payments are set one by one
		}
		for _, key := range v.MapKeys() {
			own := reflect.New(v.Type().Elem()).Elem()
			own.Set(v.MapIndex(key))
			put(own, added)
			v.SetMapIndex(key, own)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if isStored(v.Type(), v.Type().Field(i).Name) && v.Type() != reflect.TypeFor[time.Time]() {
				put(v.Field(i), added)
			}
		}
	default:
	}
}

// TestStoredFormCutOff: a stored form that is cut off anywhere, or has bytes after its end, is an error.
func TestStoredFormCutOff(t *testing.T) {
	whole := filled()
	stored := whole.AppendOrder(nil)
	for end := range stored {
		if err := (&Order{ID: "order-1"}).DecodeOrder(stored[:end]); err == nil {
			t.Fatalf("the first %d of %d bytes are decoded", end, len(stored))
		}
	}
	if err := (&Order{ID: "order-1"}).DecodeOrder(append(stored, 0)); err == nil {
		t.Error("an order with a byte after its end is decoded")
	}
}

// FuzzStoredForm: a stored form that can be decoded is encoded in one way, which can be decoded again.
func FuzzStoredForm(f *testing.F) {
	whole := filled()
	f.Add(whole.AppendOrder(nil))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		o := Order{ID: "order-1"}
		if o.DecodeOrder(stored) != nil {
			return
		}
		once := o.AppendOrder(nil)
		blocks, _ := o.NextBlocks()
		o = Order{ID: "order-1", Blocks: blocks}
		if err := o.DecodeOrder(once); err != nil {
			t.Fatalf("the written form cannot be decoded: %v", err)
		}
		if twice := o.AppendOrder(nil); string(once) != string(twice) {
			t.Errorf("written as %q, and then as %q", once, twice)
		}
	})
}

// TestDictionaryStays fails if a word of a released dictionary changes, since stored values would change.
func TestDictionaryStays(t *testing.T) {
	if len(dictionaryIndex) != len(dictionary) || len(dictionary) > textReference {
		t.Errorf("%d words, %d of them different, at most %d", len(dictionary), len(dictionaryIndex), textReference)
	}
	longest := 0
	for _, word := range dictionary {
		longest = max(longest, len(word))
	}
	if longest > longestWord {
		t.Errorf("the longest word has %d characters", longest)
	}
}
