package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// cost counts the Redis commands of one create.
type cost struct {
	scripts, in, out int // calls of scripts; bytes that Redis received and sent
	took             time.Duration
}

// TestCreateCostsTheSameAfterManyAttempts: a create reads and writes the records of the payments that it is about, and
// none of the others'. It reads the row of each earlier attempt, and writes the rows of the last few.
func TestCreateCostsTheSameAfterManyAttempts(t *testing.T) {
	const many, rounds, mostWritten = 200, 4, 3_000
	w := newEnv(t)
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
	t.Logf("after 1: %+v; after %d: %+v", few, many, later)
	if later.scripts != few.scripts {
		t.Errorf("a create calls %d scripts after many attempts, and %d after few", later.scripts, few.scripts)
	}
	// Each of the saves of a create writes the last rows, of some 60 bytes each, and one save a block of them.
	if more := later.in - few.in; more > mostWritten {
		t.Errorf("a create after many attempts writes %d bytes more than after one", more)
	}
}

// askedOfRedis returns Redis's commands so far.
func (w *apiEnv) askedOfRedis() cost {
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
