package main

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kasse/service/payment"
)

// template is an order as Kasse has stored it, with its events. copy changes it in place, so each worker has its own.
type template struct {
	order  payment.Order
	events []payment.Announcement
	made   []time.Duration // time of each event after the order's creation
	lasts  time.Duration   // from its last event until it may expire; zero: it does not expire

	created time.Time
	words   []string   // ids and hashes that differ in each copy
	moments []string   // versions and times in the events
	kinds   []wordKind // of each word
	patches []func(words []string, later time.Duration)
	texts   [][2]cut // id and data of each event
}

// wordKind selects what a copy has in the place of a word.
type wordKind string

const (
	ownOrder, ownPayment, ownCustomer, ownHash wordKind = "order", "payment", "customer", "hash"
	anyHash                                    wordKind = "any hash"
)

var (
	stripeIDs = regexp.MustCompile(`\b(?:pi|ch|evt|cus|re|py|req)_[A-Za-z0-9_]{8,}`)
	hashes    = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	clocks    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b1[6-9]\d{11}\b`)
)

// newTemplate makes a template. It finds the ids, hashes and times that differ in each copy.
func newTemplate(o payment.Order, events []payment.FeedEvent, lasts time.Duration) *template {
	t := &template{order: o, lasts: lasts, created: time.UnixMilli(o.Listed.Created)}
	t.order.Revision, t.order.Raw, t.order.Blocks = "", nil, nil
	for _, p := range t.order.Loaded {
		p.Raw = nil
	}
	found, moments := map[string]bool{string(o.ID): true}, map[string]bool{}
	look := func(text string) {
		for _, id := range append(stripeIDs.FindAllString(text, -1), hashes.FindAllString(text, -1)...) {
			found[id] = true
		}
	}
	t.walk(reflect.ValueOf(&t.order).Elem(), func(v reflect.Value) { look(v.String()) }, nil)
	for _, e := range events {
		t.events = append(t.events, payment.Announcement{ID: e.ID, Type: e.Type})
		t.made = append(t.made, entryTime(e.Entry).Sub(t.created))
		look(e.ID + " " + string(e.Data))
		for _, moment := range clocks.FindAllString(e.ID+" "+string(e.Data), -1) {
			moments[moment] = true
		}
	}
	t.words, t.moments = slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(moments))
	for _, word := range t.words {
		t.kinds = append(t.kinds, t.kindOf(word))
	}
	for _, e := range events {
		t.texts = append(t.texts, [2]cut{t.cut(e.ID), t.cut(string(e.Data))})
	}
	t.walk(reflect.ValueOf(&t.order).Elem(), t.patchText, t.patchNumber)
	return t
}

func (t *template) kindOf(word string) wordKind {
	current := t.order.Current()
	switch kind, _, isID := strings.Cut(word, "_"); {
	case word == string(t.order.ID):
		return ownOrder
	case word == string(current):
		return ownPayment
	case t.order.Loaded[current] != nil && word == t.order.Loaded[current].SecretHash:
		return ownHash
	case kind == "cus":
		return ownCustomer
	case isID:
		return wordKind(kind)
	}
	return anyHash
}

func entryTime(entry string) time.Time {
	ms, _, _ := strings.Cut(entry, "-")
	n, _ := strconv.ParseInt(ms, 10, 64)
	return time.UnixMilli(n)
}

// cut is a text in pieces.
type cut []piece

// piece is a constant text, or the index of a word. The moments follow the words in this numbering.
type piece struct {
	text string
	word int // -1: text is used
}

// cut cuts a text at the words and moments.
func (t *template) cut(text string) (c cut) {
	for text != "" {
		first, which, found := len(text), 0, ""
		for i, word := range slices.Concat(t.words, t.moments) {
			if at := strings.Index(text, word); at >= 0 && at < first {
				first, which, found = at, i, word
			}
		}
		if first > 0 {
			c = append(c, piece{text[:first], -1})
		}
		if first == len(text) {
			break
		}
		c = append(c, piece{"", which})
		text = text[first+len(found):]
	}
	return c
}

func (c cut) join(words []string) string {
	if len(c) == 1 && c[0].word >= 0 {
		return words[c[0].word]
	}
	length := 0
	for _, p := range c {
		length += len(p.text)
		if p.word >= 0 {
			length += len(words[p.word])
		}
	}
	text := make([]byte, 0, length)
	for _, p := range c {
		text = append(text, p.text...)
		if p.word >= 0 {
			text = append(text, words[p.word]...)
		}
	}
	return string(text)
}

func (t *template) patchText(v reflect.Value) {
	c := t.cut(v.String())
	if !slices.ContainsFunc(c, func(p piece) bool { return p.word >= 0 }) {
		return
	}
	t.patches = append(t.patches, func(words []string, _ time.Duration) { v.SetString(c.join(words)) })
}

// patchNumber shifts a number that can only be a time from 2020 to 2033, in Unix seconds or milliseconds.
func (t *template) patchNumber(v reflect.Value) {
	const from, until = 1_600_000_000, 2_000_000_000
	switch n := v.Int(); {
	case n > from && n < until:
		t.patches = append(t.patches, func(_ []string, later time.Duration) { v.SetInt(n + int64(later/time.Second)) })
	case n > from*1000 && n < until*1000:
		t.patches = append(t.patches, func(_ []string, later time.Duration) { v.SetInt(n + later.Milliseconds()) })
	}
}

// walk visits all texts and numbers below a value. The entries of a map cannot be changed in place. If number is set, a
// patch stores them again.
func (t *template) walk(v reflect.Value, text, number func(reflect.Value)) {
	switch v.Kind() {
	case reflect.String:
		text(v)
	case reflect.Int64, reflect.Int:
		if number != nil {
			number(v)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			t.walk(v.Elem(), text, number)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			t.walk(v.Index(i), text, number)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				t.walk(v.Field(i), text, number)
			}
		}
	case reflect.Map:
		t.walkMap(v, text, number)
	default:
	}
}

func (t *template) walkMap(v reflect.Value, text, number func(reflect.Value)) {
	type pair struct{ key, value reflect.Value }
	var all []pair
	for entries := v.MapRange(); entries.Next(); {
		p := pair{reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()}
		p.key.Set(entries.Key())
		p.value.Set(entries.Value())
		t.walk(p.key, text, number)
		t.walk(p.value, text, number)
		all = append(all, p)
	}
	if number == nil || len(all) == 0 {
		return
	}
	t.patches = append(t.patches, func([]string, time.Duration) {
		v.Clear()
		for _, p := range all {
			v.SetMapIndex(p.key, p.value)
		}
	})
}

// copy makes the n-th copy, an order with the given creation time. The copy is in t.order and t.events until the next
// call. copy returns the times of its events, in Unix milliseconds. An empty customer stands for nameOf's.
func (t *template) copy(n int, created time.Time, customer payment.CustomerID) (made []int64) {
	name, draw := nameOf(n), rand.New(rand.NewPCG(uint64(n), 3))
	if customer != "" {
		name.customer = customer
	}
	later := created.Sub(t.created).Truncate(time.Second)
	words := make([]string, 0, len(t.words)+len(t.moments))
	for _, kind := range t.kinds {
		words = append(words, kind.draw(name, draw))
	}
	for _, moment := range t.moments {
		words = append(words, shifted(moment, later))
	}
	for _, patch := range t.patches {
		patch(words, later)
	}
	t.order.Listed = payment.Listing{Created: created.UnixMilli(), Customer: payment.CustomerHash(name.customer)}
	for i := range t.events {
		t.events[i].ID, t.events[i].Data = t.texts[i][0].join(words), []byte(t.texts[i][1].join(words))
		made = append(made, created.Add(t.made[i]).UnixMilli())
	}
	return made
}
