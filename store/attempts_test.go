package store_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// TestManyAttemptsAreLoadedByFewCommands: a load and a conflict read all blocks of earlier attempts with a few
// commands. An order of 200 attempts has 49 such blocks.
func TestManyAttemptsAreLoadedByFewCommands(t *testing.T) {
	for attempts, most := range map[int]int{64: 4, 65: 4, 68: 4, 69: 4, 200: 6, 256: 7, 257: 7, 261: 7, 600: 12} {
		t.Run(strconv.Itoa(attempts), func(t *testing.T) { loadsByFewCommands(t, attempts, most) })
	}
}

func loadsByFewCommands(t *testing.T, attempts, most int) {
	t.Helper()
	ctx, client := t.Context(), connect(t, storetest.RedisServer(t))
	s := store.New(client, options)
	must(t, s.Mark(ctx, store.Identity{Service: "kasse"}))
	ref := payment.Ref{Order: "o_many"}
	o, now, err := s.LoadOrder(ctx, ref)
	must(t, err)
	for n := 1; n <= attempts; n++ {
		o.Attempts = append(o.Attempts, payment.Attempt{Number: n, Refused: true})
	}
	_, err = s.SaveOrder(ctx, o, payment.Changes{Now: now})
	must(t, err)
	for name, load := range map[string]func() (payment.Order, error){
		"load": func() (payment.Order, error) {
			found, _, err := s.LoadOrder(ctx, ref)
			return found, err
		},
		"conflict": func() (payment.Order, error) {
			stale := payment.Order{ID: ref.Order, Revision: "1-stale", Closed: payment.ClosedByCancel}
			saved, err := s.SaveOrder(ctx, stale, payment.Changes{Now: now})
			if err != payment.ErrConflict { //nolint:errorlint // SaveOrder does not wrap it
				return saved.Order, fmt.Errorf("the save of a stale order: %w", err)
			}
			return saved.Order, nil
		},
	} {
		must(t, client.ConfigResetStat(ctx).Err())
		found, err := load()
		must(t, err)
		if len(found.Attempts) != attempts {
			t.Errorf("%s: found %d attempts, want %d", name, len(found.Attempts), attempts)
		}
		text, err := client.Info(ctx, "commandstats").Result()
		must(t, err)
		gets := 0
		for _, line := range regexp.MustCompile(`cmdstat_hm?get:calls=(\d+)`).FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(line[1])
			gets += n
		}
		if gets == 0 || gets > most {
			t.Errorf("%s: %d commands read the hash, want %d at most", name, gets, most)
		}
	}
}
