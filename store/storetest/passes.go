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
	request := func(r payment.PassRequest, first, started, done bool, holder string) payment.PassResult {
		t.Helper()
		s, err := f.RequestPass(t.Context(), r)
		Must(t, err)
		if s.First != first || s.Started != started || s.Done != done || started && s.Holder != holder {
			t.Errorf("the request %s is at %+v", r.ID, s)
		}
		return s.PassResult
	}
	claim := func(holder string, want payment.PassRequest, found bool) {
		t.Helper()
		if r, got, err := f.ClaimPass(t.Context(), holder); r != want || got != found || err != nil {
			t.Errorf("%s claims %+v, found %t, %v; want %+v", holder, r, got, err, want)
		}
	}
	report := func(r payment.PassRequest, holder string, done bool, result payment.PassResult, wanted bool) {
		t.Helper()
		if got, err := f.ReportPass(t.Context(), r.ID, holder, done, result); got != wanted || err != nil {
			t.Errorf("the report of %s is wanted: %t, %v", r.ID, got, err)
		}
	}
	claim("a", payment.PassRequest{}, false)
	request(one, true, false, false, "")
	asked := f.now(t)
	wait.UntilTrue(t, "a later millisecond", func() bool { return f.now(t).UnixMilli() > asked.UnixMilli() })
	request(two, false, false, false, "")
	claim("a", one, true)
	report(one, "a", false, payment.PassResult{Events: 3}, true)
	if r := request(one, true, true, false, "a"); r.Events != 3 {
		t.Errorf("after a report it is at %+v", r)
	}
	claim("b", one, true) // the first holder has died
	report(one, "a", true, payment.PassResult{Events: 4}, false)
	if r := request(one, true, true, false, "b"); r.Events != 0 {
		t.Errorf("after another start it is at %+v", r)
	}
	end := payment.PassResult{
		Events: 5, Applied: 2, Read: 7, Verified: 3, DeniedCount: 1, Failed: "pi_1: one two\nthree",
		Denied: []payment.Denied{{Payment: "pi_1", Order: "o 1"}},
	}
	report(one, "b", true, end, true)
	got := request(one, false, true, true, "b")
	if !slices.Equal(got.Denied, end.Denied) || got.Failed != end.Failed || got.Read != 7 || got.DeniedCount != 1 {
		t.Errorf("it ended with %+v, want %+v", got, end)
	}
	claim("b", two, true)
	Must(t, f.WithdrawPass(t.Context(), "two"))
	report(two, "b", false, payment.PassResult{}, false)
	claim("b", payment.PassRequest{}, false)
	if ttl := f.client.PTTL(t.Context(), "kasse:{p0}:passes").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("the requests expire in %s, want at most a minute", ttl)
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
