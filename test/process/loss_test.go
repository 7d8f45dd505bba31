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

// lossStories are the orders: Redis forgets the last step of each.
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

// lossActs are what a customer does after the loss.
var lossActs = map[string]func(*lossCase){
	"never returns":     func(*lossCase) {},
	"pays the newest":   func(c *lossCase) { c.pay(c.newest()) },
	"pays the oldest":   func(c *lossCase) { c.pay(c.held[0]) },
	"returns":           func(c *lossCase) { c.create(false) },
	"is looked up":      func(c *lossCase) { c.lookUp() },
	"returns and pays":  func(c *lossCase) { c.returnAndPay(c.newest()) },
	"pays after a copy": (*lossCase).payAfterCopy,
	"returns and pays what he held": func(c *lossCase) {
		held := c.newest()
		c.create(false)
		c.pay(held)
	},
}

// returnAndPay creates, and pays the returned payment; if none is returned, the one whose secret the customer
// has.
func (c *lossCase) returnAndPay(held view) {
	if v, _, ok := c.create(false); ok {
		held = v
	}
	c.pay(held)
}

// lossRound is one Redis that goes back, under many orders: one for each story and act.
type lossRound struct {
	away   time.Duration // until the customers come back
	nets   bool          // catch-up and sweep run before they do
	pushed bool          // the backend has the events of the lost step, and the processes live on
	half   string        // one of halfLosses; empty: all of Redis goes back
	redis  []string
	short  bool // it is played, with a part of its cases, where not every round is asked for
}

var aof = []string{"--appendonly", "yes", "--appendfsync", "everysec"}

var lossRounds = map[string]lossRound{
	"10s, pushed":     {away: 10 * time.Second, pushed: true},
	"10s, power cut":  {away: 10 * time.Second, redis: aof, short: true},
	"10m, pushed":     {away: 10 * time.Minute, nets: true, pushed: true, redis: aof},
	"10m, power cut":  {away: 10 * time.Minute, nets: true},
	"25h, pushed":     {away: 25 * time.Hour, nets: true, pushed: true, short: true},
	"25h, power cut":  {away: 25 * time.Hour, nets: true, redis: aof},
	"25h, no command": {away: 25 * time.Hour, pushed: true},
}

var halfRounds = map[string]lossRound{
	"pointers are deleted, 10s":    {away: 10 * time.Second, pushed: true, half: "pointers", short: true},
	"pointers are deleted, 25h":    {away: 25 * time.Hour, nets: true, pushed: true, half: "pointers"},
	"orders are deleted, 10s":      {away: 10 * time.Second, pushed: true, half: "orders"},
	"orders are deleted, 25h":      {away: 25 * time.Hour, nets: true, pushed: true, half: "orders", short: true},
	"one partition goes back, 10s": {away: 10 * time.Second, pushed: true, half: "one", short: true},
	"one partition goes back, 25h": {away: 25 * time.Hour, nets: true, pushed: true, half: "one"},
	"others go back, 10s":          {away: 10 * time.Second, pushed: true, half: "others"},
	"others go back, 25h":          {away: 25 * time.Hour, nets: true, pushed: true, half: "others"},
}

// TestRedisGoesBack: Redis loses the last step of every order, and the customers come back. Each
// order that was paid is announced as paid once, can never be paid twice, and ends as it is at
// Stripe.
//
// Not tried: a copy of our metadata where Redis has forgotten the order as a whole. The
// order's first payment and the copy look the same until a list shows both.
func TestRedisGoesBack(t *testing.T) { playRounds(t, lossRounds) }

// TestHalfOfRedisIsLost is TestRedisGoesBack where a part of Redis is lost, and the rest has all.
func TestHalfOfRedisIsLost(t *testing.T) { playRounds(t, halfRounds) }

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

func (r lossRound) play(t *testing.T, number int) {
	t.Helper()
	w := newLossEnv(t, r.away, r.redis...)
	w.received.open(r.pushed)
	w.serve()
	cases := w.lossCases(number)
	w.each(cases, func(c *lossCase) {
		for _, step := range c.steps[:len(c.steps)-1] {
			c.step(step)
		}
	})
	w.settled()
	backup := w.backup()
	parts := w.dump()
	w.each(cases, func(c *lossCase) { c.step(c.steps[len(c.steps)-1]) })
	w.settled()
	if r.pushed {
		w.awaitPushes()
	}
	if lose := halfLosses[r.half]; lose != nil {
		lose(w, parts)
	} else {
		w.goBack(backup, !r.pushed)
	}
	w.advance(r.away)
	if r.nets {
		w.mend("reconcile")
	} else { // the holder of the lease hangs
		w.no(w.client.Set(t.Context(), "kasse:{p0}:lease:nets", "another", leaseLasts).Err())
	}
	w.checkOrders(cases, "after the loss", false)
	w.each(cases, func(c *lossCase) { lossActs[c.act](c) })
	w.settled()
	w.advance(2 * time.Minute)
	w.settled()
	w.checkOrders(cases, "after the customer", false)
	w.checkPayers(cases)
	w.advance(30 * time.Minute)
	w.mend("reconcile")
	w.finished()
	w.checkOrders(cases, "after reconcile", true)
	w.mend("rebuild", "-since", "48h")
	w.finished()
	w.checkOrders(cases, "after rebuild", true)
	w.awaitPushes()
	w.report(cases)
}

const leaseLasts = 30 * time.Second

// lossCases are the stories with every act, each an order. Unless every round is wanted, a round has a part
// of them, selected by its number, so that the rounds together have most.
func (w *lossEnv) lossCases(round int) (cases []*lossCase) {
	n := 0
	for _, act := range slices.Sorted(maps.Keys(lossActs)) {
		for _, story := range lossStories {
			steps := strings.Fields(story)
			for i := range steps {
				steps[i] = strings.ReplaceAll(steps[i], "_", " ")
			}
			if act == "pays the oldest" && !strings.Contains(story, "next") {
				continue // it is the newest
			}
			if n++; (n+round)%lossPart() == 0 {
				cases = append(
					cases, &lossCase{w: w, order: fmt.Sprintf("loss-%d", n), steps: steps, act: act, price: 4200},
				)
			}
		}
	}
	return cases
}

// lossPart is the share of the cases that a round plays: one in so many. It does not divide the number of stories, so
// that the stories of one act are others than those of the next.
func lossPart() int { return rounds.Of(10, 7, 1) }

// TestShortRoundsLeaveNothingOut: each short round has every act, and the rounds of each test together have every
// story.
func TestShortRoundsLeaveNothingOut(t *testing.T) {
	for name, tests := range map[string]map[string]lossRound{"all": lossRounds, "half": halfRounds} {
		played := map[string]bool{}
		for number, key := range slices.Sorted(maps.Keys(tests)) {
			acts := map[string]bool{}
			for _, c := range (&lossEnv{}).lossCases(number) {
				acts[c.act] = true
				if tests[key].short {
					played[strings.Join(c.steps, " ")] = true
				}
			}
			expect(t, "acts of "+key, len(acts), len(lossActs))
		}
		expect(t, "stories of "+name, len(played), len(lossStories))
	}
}

// each does the same with every case, several at once.
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

// checkOrders looks at every order; at the end also at what is shown and announced.
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

// checkPayers checks that a payment after the loss needs neither another create nor a command.
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
	w.t.Logf("%d cases, of which %d paid after the loss; %d copies", len(cases), paid, copies)
}
