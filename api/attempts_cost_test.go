package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// cost is what one create asks of Redis.
type cost struct {
	scripts, in, out int // calls of scripts; bytes that Redis received and sent
	took             time.Duration
}

// TestCreateCostsTheSameAfterManyAttempts: a create reads and writes the records of the payments that it is about,
// and none of the others'. The order has a row for each attempt, and that is all that grows.
func TestCreateCostsTheSameAfterManyAttempts(t *testing.T) {
	const many, rounds, mostForARow = 24, 4, 1_500
	w := newWorld(t)
	amount := 1000
	open := func() {
		t.Helper()
		amount++
		body := fmt.Sprintf(
			`{"order_id":"shop-1","amount":%d,"currency":"eur","reopen":true,"metadata":{"cart":"c-1"}}`, amount,
		)
		w.send(request{line: createLine, token: fullKey, body: body}).into(t, http.StatusCreated, &opened{})
	}
	least := func() cost { // of some, since workers ask Redis, too
		best := cost{scripts: 1 << 30, in: 1 << 30, out: 1 << 30, took: time.Hour}
		for range rounds {
			before, began := w.askedOfRedis(), time.Now()
			open()
			took, after := time.Since(began), w.askedOfRedis()
			best = cost{
				min(
					best.scripts, after.scripts-before.scripts,
				), min(best.in, after.in-before.in), min(best.out, after.out-before.out),
				min(best.took, took),
			}
		}
		return best
	}
	open()
	few := least()
	for range many {
		open()
	}
	later := least()
	row := (later.in - few.in) / (many + rounds)
	t.Logf("after 1: %+v; after %d: %+v; %d bytes sent more for each attempt", few, many, later, row)
	if later.scripts != few.scripts {
		t.Errorf("a create calls %d scripts after many attempts, and %d after few", later.scripts, few.scripts)
	}
	// A row is written by each of the saves of a create, with its terms; a record with its history would be 2 KB.
	if row > mostForARow {
		t.Errorf("each earlier attempt costs %d bytes", row)
	}
}

// askedOfRedis is what Redis has been asked since it began.
func (w *world) askedOfRedis() cost {
	w.t.Helper()
	stats, err := w.keys.InfoMap(w.t.Context(), "stats", "commandstats").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	var c cost
	for _, section := range stats {
		for name, text := range section {
			switch name {
			case "total_net_input_bytes":
				c.in = number(text)
			case "total_net_output_bytes":
				c.out = number(text)
			case "cmdstat_evalsha":
				_, _ = fmt.Sscanf(text, "calls=%d", &c.scripts)
			}
		}
	}
	return c
}
