package payment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// coder writes a value in its stored form, or reads it: one list of fields serves both ways, so that they cannot
// differ. It uses no reflection.
//
// A value is a list of fields with ascending tags, closed by a zero byte. A field begins with its tag and its wire
// type, so that a program can step over, keep and write again what a newer one has added. Zero values are left out.
//
//	wire    | payload
//	--------|------------------------------------------------------------
//	yes     | none: the field is true
//	number  | a zigzag varint
//	seconds | a varint: the difference to the seconds written before
//	millis  | the same of milliseconds
//	text    | see words.go: a text that came before is a reference to it
//	group   | a list of fields
type coder struct {
	reading bool
	buf     []byte // output so far, or input to read
	words   words
	seconds int64 // the last one
	millis  int64 // the last one
	err     error // of reading; nothing is read after it
}

type wire byte

const (
	wireYes wire = iota
	wireNumber
	wireSeconds
	wireMillis
	wireText
	wireGroup
	wireBits = 3
)

var (
	errCutOff   = errors.New("the stored form is cut off")
	errTooDeep  = errors.New("the stored form has too many levels")
	errTrailing = errors.New("the stored form has bytes after its end")
)

// finish checks that all was read.
func (c *coder) finish() error {
	if c.err == nil && len(c.buf) > 0 {
		c.err = errTrailing
	}
	return c.err
}

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.buf = nil
}

func (c *coder) uvarint() uint64 {
	n, size := binary.Uvarint(c.buf)
	if size <= 0 {
		c.fail(errCutOff)
		return 0
	}
	c.buf = c.buf[size:]
	return n
}

func (c *coder) varint() int64 {
	n, size := binary.Varint(c.buf)
	if size <= 0 {
		c.fail(errCutOff)
		return 0
	}
	c.buf = c.buf[size:]
	return n
}

// bytes reads a number of bytes. The result is a part of the input.
func (c *coder) bytes(count uint64) []byte {
	if count > uint64(len(c.buf)) {
		c.fail(errCutOff)
		return nil
	}
	part := c.buf[:count]
	c.buf = c.buf[count:]
	return part
}

func (c *coder) key(tag int, w wire) {
	c.buf = binary.AppendUvarint(c.buf, uint64(tag)<<wireBits|uint64(w)) //nolint:gosec // a tag is small and positive
}

// peek returns tag and wire of the next field; zero at the end of the group.
func (c *coder) peek() (tag int, w wire, size int) {
	if len(c.buf) > 0 && c.buf[0] < 0x80 { // most tags and types are one byte, and each absent field is looked for
		return int(c.buf[0] >> wireBits), wire(c.buf[0] & (1<<wireBits - 1)), 1
	}
	key, size := binary.Uvarint(c.buf)
	if size <= 0 {
		c.fail(errCutOff)
		return 0, 0, 0
	}
	return int(key >> wireBits & 0xffff), wire(key & (1<<wireBits - 1)), size
}

// next steps into the field of that tag, if it comes next.
func (c *coder) next(tag int, w wire) bool {
	found, as, size := c.peek()
	switch {
	case c.err != nil || found == 0 || found > tag:
		return false
	case found < tag:
		c.fail(fmt.Errorf("field %d of the stored form is not known", found))
		return false
	case as != w:
		c.fail(fmt.Errorf("field %d of the stored form has another type", tag))
		return false
	}
	c.buf = c.buf[size:]
	return true
}

// holds reports whether the next field that is left to read has one of these tags.
func (c *coder) holds(first, last int) bool {
	tag, _, _ := c.peek()
	return first <= tag && tag <= last
}

func (c *coder) yes(tag int, v *bool) {
	if c.reading {
		*v = c.next(tag, wireYes)
	} else if *v {
		c.key(tag, wireYes)
	}
}

func (c *coder) putNumber(tag int, v int64) {
	c.key(tag, wireNumber)
	c.buf = binary.AppendVarint(c.buf, v)
}

func numberField[T ~int | ~int64](c *coder, tag int, v *T) {
	if c.reading {
		if c.next(tag, wireNumber) {
			*v = T(c.varint())
		}
	} else if *v != 0 {
		c.putNumber(tag, int64(*v))
	}
}

// last is the moment that was coded before, in the unit of the wire.
func (c *coder) last(w wire) *int64 {
	if w == wireMillis {
		return &c.millis
	}
	return &c.seconds
}

// instant is a moment in Unix seconds or milliseconds.
func (c *coder) instant(tag int, w wire, v *int64) {
	last := c.last(w)
	if c.reading {
		if !c.next(tag, w) {
			return
		}
		*last += c.varint()
		*v = *last
	} else if *v != 0 {
		c.key(tag, w)
		c.buf = binary.AppendVarint(c.buf, *v-*last)
		*last = *v
	}
}

func (c *coder) secs(tag int, v *int64) { c.instant(tag, wireSeconds, v) }

func (c *coder) ms(tag int, v *int64) { c.instant(tag, wireMillis, v) }

func textField[T ~string](c *coder, tag int, v *T) {
	if c.reading {
		if c.next(tag, wireText) {
			*v = T(c.readText())
		}
	} else if *v != "" {
		c.key(tag, wireText)
		c.writeText(string(*v))
	}
}

// open steps into a group, and close out of it again.
func (c *coder) open(tag int) bool {
	if c.reading {
		return c.next(tag, wireGroup)
	}
	c.key(tag, wireGroup)
	return true
}

// close ends a group. Fields that a newer program has added are kept and written again.
func (c *coder) close(added *Added) {
	if !c.reading {
		added.write(c)
		c.buf = append(c.buf, 0)
		return
	}
	if len(c.buf) > 0 && c.buf[0] != 0 {
		*added = c.readAdded()
	}
	c.bytes(1)
}

// pointer codes a group for what is pointed to, if anything is.
func pointer[T any](c *coder, tag int, v **T, code func(*T, *coder)) {
	switch {
	case !c.reading && *v == nil, !c.open(tag):
		return
	case c.reading:
		*v = new(T)
	}
	code(*v, c)
}

// list codes one group for each item.
func list[T any](c *coder, tag int, items *[]T, code func(*T, *coder)) {
	if !c.reading {
		for i := range *items {
			c.open(tag)
			code(&(*items)[i], c)
		}
		return
	}
	for c.open(tag) {
		*items = slices.Grow(*items, 1)[:len(*items)+1]
		item := &(*items)[len(*items)-1]
		*item = *new(T)
		code(item, c)
	}
}

// mapField codes one group for each entry of a map, by ascending keys. The key has the tag 1.
func mapField[M ~map[K]V, K ~string, V any](c *coder, tag int, m *M, code func(*V, *coder)) {
	if !c.reading {
		for _, key := range sortedKeys(*m) {
			c.open(tag)
			textField(c, 1, &key)
			v := (*m)[key]
			code(&v, c)
		}
		return
	}
	for c.open(tag) {
		var key K
		var v V
		textField(c, 1, &key)
		code(&v, c)
		if *m == nil {
			*m = M{}
		}
		(*m)[key] = v
	}
}

// texts codes one text for each item.
func texts[T ~string](c *coder, tag int, items *[]T) {
	if !c.reading {
		for _, item := range *items {
			c.key(tag, wireText)
			c.writeText(string(item))
		}
		return
	}
	for c.next(tag, wireText) {
		if *items == nil {
			*items = make([]T, 0, 8)
		}
		*items = append(*items, T(c.readText()))
	}
}

// sortedKeys returns the keys of a map in ascending order, with one allocation.
func sortedKeys[M ~map[K]V, K ~string, V any](m M) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
