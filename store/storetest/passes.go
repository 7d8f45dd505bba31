package storetest

import (
	"slices"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/test/wait"
)

func (connect connector) testPasses(t *testing.T) {
	f := fresh(t, connect)
	from := time.Unix(1_760_000_000, 0).UTC()
	one := payment.PassRequest{ID: "one", From: from}
	two := payment.PassRequest{ID: "two", From: from.Add(-time.Hour), Verify: true}
	stands := func(r payment.PassRequest, first, started, done bool, holder string) payment.PassResult {
		t.Helper()
		s, err := f.RequestPass(t.Context(), r)
		Must(t, err)
		if s.First != first || s.Started != started || s.Done != done || started && s.Holder != holder {
			t.Errorf("%s stands at %+v", r.ID, s)
		}
		return s.PassResult
	}
	takes := func(holder string, want payment.PassRequest, found bool) {
		t.Helper()
		if r, got, err := f.ClaimPass(t.Context(), holder); r != want || got != found || err != nil {
			t.Errorf("%s takes %+v, %t, %v, want %+v", holder, r, got, err, want)
		}
	}
	notes := func(r payment.PassRequest, holder string, done bool, result payment.PassResult, wanted bool) {
		t.Helper()
		if got, err := f.ReportPass(t.Context(), r.ID, holder, done, result); got != wanted || err != nil {
			t.Errorf("%s is wanted: %t, %v", r.ID, got, err)
		}
	}
	takes("a", payment.PassRequest{}, false)
	stands(one, true, false, false, "")
	asked := f.now(t)
	wait.UntilTrue(t, "a later millisecond", func() bool { return f.now(t).UnixMilli() > asked.UnixMilli() })
	stands(two, false, false, false, "")
	takes("a", one, true)
	notes(one, "a", false, payment.PassResult{Events: 3}, true)
	if r := stands(one, true, true, false, "a"); r.Events != 3 {
		t.Errorf("the first is at %+v", r)
	}
	takes("b", one, true) // the first holder has died
	notes(one, "a", true, payment.PassResult{Events: 4}, false)
	if r := stands(one, true, true, false, "b"); r.Events != 0 {
		t.Errorf("begun again it is at %+v", r)
	}
	end := payment.PassResult{
		Events: 5, Applied: 2, Read: 7, Verified: 3, DeniedCount: 1, Failed: "pi_1: one two\nthree",
		Denied: []payment.Denied{{Payment: "pi_1", Order: "o 1"}},
	}
	notes(one, "b", true, end, true)
	got := stands(one, false, true, true, "b")
	if !slices.Equal(got.Denied, end.Denied) || got.Failed != end.Failed || got.Read != 7 || got.DeniedCount != 1 {
		t.Errorf("it ended with %+v, want %+v", got, end)
	}
	takes("b", two, true)
	Must(t, f.WithdrawPass(t.Context(), "two"))
	notes(two, "b", false, payment.PassResult{}, false)
	takes("b", payment.PassRequest{}, false)
	if ttl := f.client.PTTL(t.Context(), "kasse:{p0}:passes").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("the requests are kept for %s", ttl)
	}
	f.namesLeaseHolder(t)
}

func (f fixture) namesLeaseHolder(t testing.TB) {
	t.Helper()
	if holder, err := f.LeaseHolder(t.Context(), "nets"); holder != "" || err != nil {
		t.Errorf("a free lease is held by %q, %v", holder, err)
	}
	_, err := f.AcquireLease(t.Context(), "nets", "server.a", time.Hour)
	Must(t, err)
	if holder, err := f.LeaseHolder(t.Context(), "nets"); holder != "server.a" || err != nil {
		t.Errorf("the lease is held by %q, %v", holder, err)
	}
}
