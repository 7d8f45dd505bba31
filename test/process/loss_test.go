package process_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/test/rounds"
)

// lossStories are the steps of the orders. Redis loses the last step of each.
var lossStories = []string{
	"open", "open price", "open declined", "open 3ds", "open processing", "open paid", "open price paid",
	"open declined paid", "open processing settled", "open paid refunded", "open paid partly_refunded", "open closed",
	"open closed reopen",
	"open canceled_by_Stripe", "open canceled_by_Stripe again", "open canceled_by_Stripe again paid",

	"open 3ds withdrawn", "open 3ds next", "open 3ds withdrawn next", "open 3ds next price", "open 3ds next declined",
	"open 3ds next processing", "open 3ds next paid", "open 3ds withdrawn next paid", "open 3ds next paid refunded",
	"open 3ds next closed",

	"open 3ds next 3ds withdrawn", "open 3ds next 3ds next", "open 3ds next 3ds next price",
	"open 3ds next 3ds next declined", "open 3ds next 3ds next processing", "open 3ds next 3ds next paid",
	"open 3ds next 3ds next paid refunded",
}

// lossActions are what the customer does after the loss.
var lossActions = map[string]func(*lossCase){
	"never returns":     func(*lossCase) {},
	"pays the newest":   func(c *lossCase) { c.pay(c.newest()) },
	"pays the oldest":   func(c *lossCase) { c.pay(c.held[0]) },
	"returns":           func(c *lossCase) { c.create(false) },
	"backend looks up":  func(c *lossCase) { c.lookUp() },
	"returns and pays":  func(c *lossCase) { c.returnAndPay(c.newest()) },
	"pays after a copy": (*lossCase).payAfterCopy,
	"returns and pays the earlier payment": func(c *lossCase) {
		held := c.newest()
		c.create(false)
		c.pay(held)
	},
}

// returnAndPay sends a create, and pays the returned payment. If none is returned, it pays held.
func (c *lossCase) returnAndPay(held view) {
	if v, _, ok := c.create(false); ok {
		held = v
	}
	c.pay(held)
}

// lossRound is one Redis that loses data of many orders: one for each story and action.
type lossRound struct {
	away       time.Duration // until the customers return
	reconciles bool          // catch-up and sweep run before the customers return
	pushed     bool          // the backend has the events of the lost step, and the processes are not killed
	part       string        // one of partLosses; empty: Redis is restored from a backup
	redis      []string      // arguments of redis-server
	short      bool          // the round is played even if KASSE_TEST_ROUNDS is not all
}

// aof are arguments of a redis-server with an append-only file.
var aof = []string{"--appendonly", "yes", "--appendfsync", "everysec"}

var lossRounds = map[string]lossRound{
	"10s, pushed":     {away: 10 * time.Second, pushed: true},
	"10s, power cut":  {away: 10 * time.Second, redis: aof, short: true},
	"10m, pushed":     {away: 10 * time.Minute, reconciles: true, pushed: true, redis: aof},
	"10m, power cut":  {away: 10 * time.Minute, reconciles: true},
	"25h, pushed":     {away: 25 * time.Hour, reconciles: true, pushed: true, short: true},
	"25h, power cut":  {away: 25 * time.Hour, reconciles: true, redis: aof},
	"25h, no command": {away: 25 * time.Hour, pushed: true},
}

var partRounds = map[string]lossRound{
	"pointers are deleted, 10s": {away: 10 * time.Second, pushed: true, part: "pointers", short: true},
	"pointers are deleted, 25h": {
		away: 25 * time.Hour, reconciles: true, pushed: true, part: "pointers",
	},
	"orders are deleted, 10s": {away: 10 * time.Second, pushed: true, part: "orders"},
	"orders are deleted, 25h": {
		away: 25 * time.Hour, reconciles: true, pushed: true, part: "orders", short: true,
	},
	"one partition is restored, 10s": {away: 10 * time.Second, pushed: true, part: "one partition", short: true},
	"one partition is restored, 25h": {
		away: 25 * time.Hour, reconciles: true, pushed: true, part: "one partition",
	},
	"three partitions are restored, 10s": {away: 10 * time.Second, pushed: true, part: "three partitions"},
	"three partitions are restored, 25h": {
		away: 25 * time.Hour, reconciles: true, pushed: true, part: "three partitions",
	},
}

// TestRedisLosesLastStep: Redis loses the last step of every order, and the customers return. The
// stream has order.paid of each paid order once, no customer can pay twice, and each order ends in
// Stripe's state.
//
// Not tried: a copy of Kasse's metadata if Redis has lost the whole order. Kasse cannot distinguish
// the order's first payment from the copy until a list shows both.
func TestRedisLosesLastStep(t *testing.T) { playRounds(t, lossRounds) }

// TestRedisLosesPart is TestRedisLosesLastStep with a loss of only a part of Redis.
func TestRedisLosesPart(t *testing.T) { playRounds(t, partRounds) }

// playRounds plays the rounds that KASSE_TEST_ROUNDS selects.
func playRounds(t *testing.T, all map[string]lossRound) {
	t.Helper()
	for number, name := range slices.Sorted(maps.Keys(all)) {
		if round := all[name]; rounds.All() || round.short {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				round.play(t, number)
			})
		}
	}
}

// play plays the steps, the loss, the customers' actions, reconcile and rebuild, and checks the
// orders after each.
func (r lossRound) play(t *testing.T, number int) {
	t.Helper()
	w := newLossEnv(t, r.away, r.redis...)
	w.received.setAvailable(r.pushed)
	w.serve()
	cases := w.lossCases(number)
	w.each(cases, func(c *lossCase) {
		for _, step := range c.steps[:len(c.steps)-1] {
			c.step(step)
		}
	})
	w.awaitSettled()
	backup := w.backup()
	parts := w.dump()
	w.each(cases, func(c *lossCase) { c.step(c.steps[len(c.steps)-1]) })
	w.awaitSettled()
	if r.pushed {
		w.awaitPushes()
	}
	if lose := partLosses[r.part]; lose != nil {
		lose(w, parts)
	} else {
		w.restoreBackup(backup, !r.pushed)
	}
	w.advance(r.away)
	if r.reconciles {
		w.runExclusive("reconcile")
	} else { // as if the server with the lease hung, so that no catch-up and no sweep runs
		w.noError(w.client.Set(t.Context(), tasksLease, "another", leaseLasts).Err())
	}
	w.checkOrders(cases, "after the loss", false)
	w.each(cases, func(c *lossCase) { lossActions[c.action](c) })
	w.awaitSettled()
	w.advance(2 * time.Minute)
	w.awaitSettled()
	w.checkOrders(cases, "after the customer's action", false)
	w.checkPayers(cases)
	w.advance(30 * time.Minute)
	w.runExclusive("reconcile")
	w.awaitFinished()
	w.checkOrders(cases, "after reconcile", true)
	w.runExclusive("rebuild", "-since", "48h")
	w.awaitFinished()
	w.checkOrders(cases, "after rebuild", true)
	w.awaitPushes()
	w.report(cases)
}

const leaseLasts = 30 * time.Second

// lossCases returns the stories with every action, each an order. Unless KASSE_TEST_ROUNDS is all,
// a round has a part of them. The number of the round selects it, so that the rounds together have
// most.
func (w *lossEnv) lossCases(round int) (cases []*lossCase) {
	n := 0
	for _, action := range slices.Sorted(maps.Keys(lossActions)) {
		for _, story := range lossStories {
			steps := strings.Fields(story)
			for i := range steps {
				steps[i] = strings.ReplaceAll(steps[i], "_", " ")
			}
			if action == "pays the oldest" && !strings.Contains(story, "next") {
				continue // the oldest payment is the newest
			}
			if n++; (n+round)%lossPart() == 0 {
				order := fmt.Sprintf("loss-%d", n)
				cases = append(cases, &lossCase{w: w, order: order, steps: steps, action: action, price: 4200})
			}
		}
	}
	return cases
}

// lossPart returns n if a round plays one in n cases. n does not divide the number of stories, so
// that different actions get different stories.
func lossPart() int { return rounds.Of(10, 7, 1) }

// TestShortRoundsLeaveNothingOut: each round has every action, and the short rounds of each test
// together have every story.
func TestShortRoundsLeaveNothingOut(t *testing.T) {
	for name, tests := range map[string]map[string]lossRound{"last step": lossRounds, "part": partRounds} {
		played := map[string]bool{}
		for number, key := range slices.Sorted(maps.Keys(tests)) {
			actions := map[string]bool{}
			for _, c := range (&lossEnv{}).lossCases(number) {
				actions[c.action] = true
				if tests[key].short {
					played[strings.Join(c.steps, " ")] = true
				}
			}
			expect(t, "number of actions of "+key, len(actions), len(lossActions))
		}
		expect(t, "number of stories of the rounds "+name, len(played), len(lossStories))
	}
}

// each calls do with every case, eight at a time.
func (w *lossEnv) each(cases []*lossCase, do func(*lossCase)) {
	w.t.Helper()
	var work sync.WaitGroup
	next := make(chan *lossCase)
	for range 8 {
		work.Go(func() {
			for c := range next {
				do(c)
			}
		})
	}
	for _, c := range cases {
		next <- c
	}
	close(next)
	work.Wait()
}

// checkOrders checks the payments of every order; with end, it also checks the views and the
// stream.
func (w *lossEnv) checkOrders(cases []*lossCase, when string, end bool) {
	w.t.Helper()
	all, stream := w.intents(), w.stream()
	w.each(cases, func(c *lossCase) {
		c.checkPayable(all, when)
		if end {
			c.checkPaid(all, stream, when)
			c.checkShown(all, stream, when)
		}
	})
}

// checkPayers checks that the stream has order.paid of each payment after the loss. It needs
// neither another create nor a command.
func (w *lossEnv) checkPayers(cases []*lossCase) {
	w.t.Helper()
	all, stream := w.intents(), w.stream()
	for _, c := range cases {
		if c.paid {
			c.checkPaid(all, stream, "after the payment")
		}
	}
}

// report fails the test for every case with a problem, and logs the counts.
func (w *lossEnv) report(cases []*lossCase) {
	w.t.Helper()
	paid, copies := 0, 0
	for _, c := range cases {
		copies += len(c.copies)
		if c.paid {
			paid++
		}
		if len(c.problems) > 0 {
			w.t.Errorf("%s (%s):\n\t%s", c, c.order, strings.Join(c.problems, "\n\t"))
		}
	}
	w.t.Logf("%d cases, of which %d paid after the loss; %d copies of payments", len(cases), paid, copies)
}
