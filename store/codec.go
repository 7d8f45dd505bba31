package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kasse/service/payment"
)

// orderField is the field of an order's hash with the order and its current payment: its revision in the
// first line, the number of the dictionary in one byte, then the stored form of service/payment. A webhook
// and a status read load only this field, unless the order has had several payments.
const orderField = "order"

// blockPrefix begins the field of a block of rows of earlier attempts: its number from 0, in decimal. Only
// orders with many attempts have blocks. The byte before their stored form has the number of the dictionary.
const blockPrefix = "attempts:"

// blocksFollow is the number in the byte before the stored form of an order that has blocks. The
// dictionary is the same.
const blocksFollow = payment.Dictionary + 1

func blockField(number int) string { return blockPrefix + strconv.Itoa(number) }

// readFields are the fields of an order, of the payments in question, and of so many blocks.
func readFields(ids []payment.ID, blocks int) []string {
	fields := make([]string, 0, 1+len(ids)+blocks)
	fields = append(fields, orderField)
	for _, id := range ids {
		fields = append(fields, recordField(id))
	}
	for i := range blocks {
		fields = append(fields, blockField(i))
	}
	return fields
}

// recordPrefix begins the field of a payment that is not the order's current one: the number of the
// dictionary in one byte, then the stored form.
const recordPrefix = "record:"

func recordField(id payment.ID) string { return recordPrefix + string(id) }

// errNewer is the error of a record that a newer program has written in a format that this one
// cannot read. The record is neither shown nor overwritten.
var errNewer = errors.New("it was written by a newer version, whose dictionary this version does not have")

// encodeOrder returns the order's field without its revision and its blocks.
func encodeOrder(o *payment.Order, blocks int) []byte {
	form := byte(payment.Dictionary)
	if blocks > 0 {
		form = blocksFollow
	}
	return o.AppendOrder(append(make([]byte, 0, 512), form))
}

// decodeDictionary removes the number of the dictionary.
func decodeDictionary(stored string) ([]byte, error) {
	switch {
	case stored == "":
		return nil, errors.New("it is empty")
	case stored[0] > blocksFollow || stored[0] == 0:
		return nil, errNewer
	}
	return []byte(stored[1:]), nil
}

// decodeOrder decodes an order's field and what was loaded with it: the records of payments, then the blocks
// of earlier attempts. A nil record stands for a missing one.
func decodeOrder(ref payment.Ref, stored any, ids []payment.ID, others []any) (payment.Order, error) {
	o := payment.Order{ID: ref.Order, Foreign: ref.Foreign, Loaded: map[payment.ID]*payment.Payment{}}
	whole, exists := stored.(string)
	if !exists {
		return o, nil
	}
	revision, body, found := strings.Cut(whole, "\n")
	if !found || revision == "" {
		return o, errors.New("it has no revision")
	}
	text, err := decodeDictionary(body)
	if err != nil {
		return o, err
	}
	records := others[:len(ids)]
	for _, block := range others[len(ids):] {
		body, loaded := block.(string)
		if !loaded {
			break
		}
		o.Blocks = append(o.Blocks, payment.Block{Stored: []byte(body)})
	}
	if err := o.DecodeOrder(text); err != nil {
		return o, err
	}
	o.Revision, o.Raw = revision, []byte(body)
	if a := o.Attempt(o.Current()); a != nil && a.Version > 0 && o.Loaded[a.Payment] == nil {
		return o, fmt.Errorf("the record of %s is missing", a.Payment)
	}
	for i, id := range ids {
		if err := decodeRecord(&o, id, records[i]); err != nil {
			return o, err
		}
	}
	return o, nil
}

// decodeRecord adds a payment that the order does not stand for.
func decodeRecord(o *payment.Order, id payment.ID, stored any) error {
	whole, exists := stored.(string)
	a := o.Attempt(id)
	switch {
	case o.Loaded[id] != nil: // in the order
		return nil
	case !exists && a != nil && a.Version > 0:
		return fmt.Errorf("the record of %s is missing", id)
	case !exists:
		return nil
	}
	text, err := decodeDictionary(whole)
	if err != nil {
		return fmt.Errorf("the record of %s: %w", id, err)
	}
	p, err := o.DecodePayment(text, id)
	if err != nil {
		return fmt.Errorf("the record of %s: %w", id, err)
	}
	p.Raw = []byte(whole)
	o.Loaded[id] = p
	return nil
}

// written is what a save changes in the hash of an order.
type written struct {
	body   []byte // of the order's field, under its revision
	set    []any  // further fields with their values
	remove []any  // fields
	saved  payment.Order
	same   bool // nothing differs from what was loaded
}

// encode compares the order with the loaded one. A payment is in the order's field while it is the current
// one, and otherwise in its own field.
func encode(o payment.Order) written {
	blocks, changed := o.NextBlocks()
	w := written{body: encodeOrder(&o, len(blocks)), saved: o}
	w.saved.Blocks = blocks
	for _, number := range changed {
		w.set = append(w.set, blockField(number), blocks[number].Stored)
	}
	w.saved.Raw, w.saved.Loaded = w.body, make(map[payment.ID]*payment.Payment, len(o.Loaded))
	current := o.Current()
	for id, p := range o.Loaded {
		own := *p
		own.Raw = nil
		switch {
		case id == current && p.Raw != nil:
			w.remove = append(w.remove, recordField(id))
		case id != current:
			own.Raw = o.AppendPayment([]byte{payment.Dictionary}, p)
			if !bytes.Equal(own.Raw, p.Raw) {
				w.set = append(w.set, recordField(id), own.Raw)
			}
		}
		w.saved.Loaded[id] = &own
	}
	w.same = len(w.set) == 0 && len(w.remove) == 0 && bytes.Equal(w.body, o.Raw)
	return w
}

// Decode decodes an order from its hash's fields, by name. All its payments are loaded. It is for readers of
// Redis outside the store.
func Decode(ref payment.Ref, fields map[string]string) (payment.Order, error) {
	var ids []payment.ID
	var others []any
	for name, value := range fields {
		if id, isRecord := strings.CutPrefix(name, recordPrefix); isRecord {
			ids, others = append(ids, payment.ID(id)), append(others, value)
		}
	}
	for i := 0; ; i++ {
		block, exists := fields[blockField(i)]
		if !exists {
			break
		}
		others = append(others, block)
	}
	stored, exists := fields[orderField]
	if !exists {
		return payment.Order{}, errors.New("it has no order")
	}
	return decodeOrder(ref, stored, slices.Clip(ids), others)
}
