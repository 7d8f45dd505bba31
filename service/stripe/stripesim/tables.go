package stripesim

import "slices"

// object is an object with one of Stripe's ids.
type object interface{ id() string }

// table holds the objects of one type in the order of their creation.
type table[T object] struct {
	byID map[string]T
	rows []T
}

func newTable[T object]() *table[T] { return &table[T]{byID: map[string]T{}} }

func (t *table[T]) add(row T) {
	t.byID[row.id()] = row
	t.rows = append(t.rows, row)
}

func (t *table[T]) find(id string) (T, bool) {
	row, ok := t.byID[id]
	return row, ok
}

// newestFirst lists as Stripe does: by creation, the last one first.
func (t *table[T]) newestFirst(keep func(T) bool) []T {
	var out []T
	for _, v := range slices.Backward(t.rows) {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

func (t *table[T]) remove(row T) {
	delete(t.byID, row.id())
	t.rows = slices.DeleteFunc(t.rows, func(other T) bool { return other.id() == row.id() })
}
