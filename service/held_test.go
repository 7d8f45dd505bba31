package service

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kasse/service/payment"
)

// heldViews is a store with one payment, and with the hints of its changes.
type heldViews struct {
	Store
	mu           sync.Mutex // guards what follows, and the answers of the page
	version      int64
	err          error
	reads        int
	hint         func() // called after a change; nil: not registered
	subscription int64
	unsure       bool // hints may be lost
}

func (v *heldViews) LoadView(context.Context, payment.ID) (payment.StoredView, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads++
	return payment.StoredView{Version: v.version, View: []byte(`{}`), Order: "o"}, v.err
}

func (v *heldViews) OnPaymentChange(_ payment.ID, hint func()) (stop func()) {
	v.set(func() { v.hint = hint })
	return func() { v.set(func() { v.hint = nil }) }
}

func (v *heldViews) Hints() (subscription int64, sure bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.subscription, !v.unsure
}

// set runs a change of the views under their lock.
func (v *heldViews) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
}

// count returns the number of reads so far.
func (v *heldViews) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

// heldPage is a page that waits for changes of the payment.
type heldPage struct {
	t       *testing.T
	views   *heldViews
	service *Service
	answers []int64 // versions
	err     error
}

var holder = Caller{Order: "o"} // an order token that reads

// testHeld runs a test in virtual time, on a page that has been answered once.
func testHeld(t *testing.T, test func(t *testing.T, p *heldPage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		views := &heldViews{version: 1}
		p := &heldPage{t: t, views: views, service: New(views, nil, Options{})}
		p.wait(1)
		p.change(2)
		p.expect("the first change", 2, 2) // one read at the beginning, and one after the hint
		test(t, p)
		synctest.Wait()
	})
}

// wait sends a request that waits for another version.
func (p *heldPage) wait(version int64) *HeldStatus {
	h := p.service.HoldStatus(p.t.Context(), holder, "pi_1", version, WaitOptions{For: 25 * time.Second})
	h.Begin(func(stored payment.StoredView, err error, _ func(func())) {
		p.views.set(func() { p.answers, p.err = append(p.answers, stored.Version), err })
	})
	return h
}

// change stores a version, and sends its hint.
func (p *heldPage) change(version int64) {
	var hint func()
	p.views.set(func() { p.views.version, hint = version, p.views.hint })
	if hint != nil {
		hint()
	}
	synctest.Wait()
}

// expect fails the test unless the last answer has the version, and so many reads were made.
func (p *heldPage) expect(when string, version int64, reads int) {
	p.t.Helper()
	synctest.Wait()
	p.views.mu.Lock()
	defer p.views.mu.Unlock()
	if n := len(p.answers); n == 0 || p.answers[n-1] != version || p.views.reads != reads {
		p.t.Errorf("%s: answers %v, %d reads, want %d and %d", when, p.answers, p.views.reads, version, reads)
	}
}

// expectKnown fails the test unless the latest version is known for the caller without a read, or not, as wanted.
func (p *heldPage) expectKnown(when string, caller Caller, want bool) {
	p.t.Helper()
	if version, known := p.service.HeldVersion(caller, "pi_1"); known != want || (known && version != p.views.version) {
		p.t.Errorf("%s: version %d is known %t, want %t", when, version, known, want)
	}
}

// TestNextRequestIsHeldWithoutARead: each change causes one read, although the page sends a new request after it.
func TestNextRequestIsHeldWithoutARead(t *testing.T) {
	testHeld(t, func(_ *testing.T, p *heldPage) {
		for version := int64(3); version < 10; version++ {
			p.expectKnown("after an answer", holder, true)
			p.wait(version - 1)
			p.change(version)
			p.expect("a change", version, int(version))
		}
	})
}

// TestLatestIsKnownForAMoment: the latest version is known without a read while no change can have happened, and only
// to callers that may see the payment.
func TestLatestIsKnownForAMoment(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(p *heldPage)
		caller    Caller
		known     bool
	}{
		"at once":                {func(*heldPage) {}, holder, true},
		"another order's token":  {func(*heldPage) {}, Caller{Order: "other"}, false},
		"a wrong secret":         {func(*heldPage) {}, Caller{Secret: "pi_1_secret_x"}, false},
		"a service key":          {func(*heldPage) {}, Caller{Key: "shop"}, true},
		"a change":               {func(p *heldPage) { p.change(3) }, holder, false},
		"the subscription ended": {func(p *heldPage) { p.views.set(func() { p.views.subscription++ }) }, holder, false},
		"hints may be lost":      {func(p *heldPage) { p.views.set(func() { p.views.unsure = true }) }, holder, false},
		"later":                  {func(*heldPage) { time.Sleep(latestFor + time.Millisecond) }, holder, false},
	} {
		t.Run(name, func(t *testing.T) {
			testHeld(t, func(_ *testing.T, p *heldPage) {
				test.meanwhile(p)
				p.expectKnown(name, test.caller, test.known)
			})
		})
	}
}

// TestChangeWhileJoining: a request with an older version is answered at once.
func TestChangeWhileJoining(t *testing.T) {
	testHeld(t, func(_ *testing.T, p *heldPage) {
		p.wait(1)
		p.expect("a request with an older version", 2, 3)
		p.views.set(func() { p.views.unsure, p.views.version = true, 3 }) // the hint has not arrived yet
		p.wait(2)
		p.expect("a change without a hint", 3, 4)
	})
}

// TestReadAfterLostHints: a payment is read again once hints may have been lost, and not before.
func TestReadAfterLostHints(t *testing.T) {
	testHeld(t, func(_ *testing.T, p *heldPage) {
		p.wait(2)
		time.Sleep(24 * time.Second)
		p.expect("nothing was lost", 2, 2)
		p.views.set(func() { p.views.version = 3 })
		time.Sleep(2 * time.Second)
		p.expect("the end of the wait", 2, 2)
		p.wait(3)
		reads := p.views.count()
		// The hint was lost with the former subscription.
		p.views.set(func() { p.views.version, p.views.subscription = 4, 1 })
		time.Sleep(waitReread + waitReread/2 + 2*time.Second)
		p.expect("another subscription", 4, reads+1)
		p.wait(4)
		reads = p.views.count()
		p.views.set(func() { p.views.version, p.views.unsure = 5, true })
		time.Sleep(waitReread + waitReread/2 + 2*time.Second)
		p.expect("hints may be lost", 5, reads+1)
		p.views.set(func() { p.views.err = errors.New("unreachable") })
		p.wait(5)
		if synctest.Wait(); p.err == nil {
			p.t.Error("the request did not end with the error of its read")
		}
	})
}

// TestHeldEndsAtItsTime: each held request ends at its own time, and not before.
func TestHeldEndsAtItsTime(t *testing.T) {
	testHeld(t, func(t *testing.T, p *heldPage) {
		t.Helper()
		began := time.Now()
		ended := make(chan time.Duration, 10)
		for _, wait := range []time.Duration{0, 1, 999, 1000, 25_000, 60_000} {
			wait *= time.Millisecond
			h := p.service.HoldStatus(t.Context(), holder, "pi_1", 2, WaitOptions{For: wait})
			h.Begin(func(stored payment.StoredView, err error, _ func(func())) {
				took := time.Since(began)
				if err != nil || stored.View != nil || took < wait || took > wait+2*heldTick {
					t.Errorf("%s: answered after %s: %+v %v", wait, took, stored, err)
				}
				ended <- took
			})
		}
		p.wait(2).Release()
		p.expect("a released request", 2, p.views.count())
		for range 6 {
			<-ended
		}
		time.Sleep(2 * latestFor)
		if n := p.service.HeldStatuses(); n != 0 || len(p.service.held.groups) != 0 || p.views.hint != nil {
			t.Errorf("%d are held, %d groups are left", n, len(p.service.held.groups))
		}
	})
}
