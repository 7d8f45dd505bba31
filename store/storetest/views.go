package storetest

import (
	"testing"

	"kasse/service/payment"
)

func (f fixture) view(t testing.TB, id payment.ID) payment.StoredView {
	t.Helper()
	view, err := f.LoadView(t.Context(), id)
	Must(t, err)
	return view
}

func (connect connector) testViews(t *testing.T) {
	t.Run("are of one payment each", connect.viewsAreOfOnePaymentEach)
	t.Run("are absent if the order does not have the payment", connect.viewsAreAbsent)
	t.Run("count the reads that they took", connect.viewsCountTheReads)
	t.Run("of an order are returned in the requested order", connect.viewsOfAnOrder)
	t.Run("have their secret's hash beside the JSON", connect.viewsHaveTheirSecretsHash)
}

func (connect connector) viewsAreOfOnePaymentEach(t *testing.T) {
	f := fresh(t, connect)
	for range 2 {
		f.putIn(t, "o-1", "pi_1")
		f.putIn(t, "o-1", "pi_2")
	}
	one, two := f.view(t, "pi_1"), f.view(t, "pi_2")
	if one.Version >= two.Version || one.Order != "o-1" || two.Order != "o-1" ||
		string(one.View) == string(two.View) {
		t.Errorf("got %+v and %+v", one, two)
	}
	f.putIn(t, "o-1", "pi_1")
	if again := f.view(t, "pi_1"); again.Version <= two.Version {
		t.Errorf("version %d after %d: the writer reads an older view", again.Version, two.Version)
	}
	if again := f.view(t, "pi_2"); again.Version != two.Version {
		t.Errorf("version %d, want %d", again.Version, two.Version)
	}
}

func (connect connector) viewsAreAbsent(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	Must(t, f.SavePointer(t.Context(), "pi_2", "o_1", f.now(t).Add(retention)))
	_, err := f.LoadView(t.Context(), "pi_2")
	notFound(t, err)
	_, err = f.LoadHistory(t.Context(), "pi_2")
	notFound(t, err)
	Must(t, f.client.Del(t.Context(), orderKey("o_1")).Err())
	_, err = f.LoadHistory(t.Context(), "pi_1")
	notFound(t, err)
}

func (connect connector) viewsCountTheReads(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	missing, err := f.LoadView(t.Context(), "pi_absent")
	notFound(t, err)
	if cold := f.view(t, "pi_1"); cold.Reads != missing.Reads || missing.Reads != 2 {
		t.Errorf("%d reads of a payment, %d of a missing one, want 2", cold.Reads, missing.Reads)
	}
	if warm := f.view(t, "pi_1"); warm.Reads > 1 { // 0 if the view is cached
		t.Errorf("%d reads with the pointer in memory", warm.Reads)
	}
	Must(t, f.PadReads(t.Context(), "pi_1", 1))
	Must(t, f.QueueRestore(t.Context(), "pi_1", "address", false))
	if ids, err := f.ClaimRestores(t.Context(), false, 10, retention); len(ids) != 0 || err != nil {
		t.Errorf("%v wait to be restored, %v", ids, err)
	}
}

func (connect connector) viewsOfAnOrder(t *testing.T) {
	f := fresh(t, connect)
	f.putIn(t, "o-1", "pi_1")
	f.putIn(t, "o-1", "pi_2")
	views, err := f.LoadViews(t.Context(), "o-1", []payment.ID{"pi_2", "pi_absent", "pi_1"})
	Must(t, err)
	if len(views) != 3 || string(views[0]) != string(f.view(t, "pi_2").View) || views[1] != nil ||
		string(views[2]) != string(f.view(t, "pi_1").View) {
		t.Errorf("got %s", views)
	}
	if views, err = f.LoadViews(t.Context(), "o-1", nil); len(views) != 0 || err != nil {
		t.Errorf("got %s, %v", views, err)
	}
	views, err = f.LoadViews(t.Context(), "o-absent", []payment.ID{"pi_1"})
	if len(views) != 1 || views[0] != nil || err != nil {
		t.Errorf("got %s, %v", views, err)
	}
}

func (connect connector) viewsHaveTheirSecretsHash(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	o, p, _ := withPayment(f.order(t, "o_1"), "pi_1")
	p.SecretHash = "abcd"
	o, c := Transition(o, "pi_1", f.now(t))
	f.save(t, o, c)
	if view := f.view(t, "pi_1"); view.SecretHash != "abcd" || string(view.View) != string(c.Views[0].JSON) {
		t.Errorf("got %+v", view)
	}
}

// testForeign: payments that name an order and are none of its attempts have keys of their own, and never
// change the order.
func (connect connector) testForeign(t *testing.T) {
	ref := payment.Ref{Order: "o_1", Foreign: "pi_f"}
	t.Run("are kept beside their order", func(t *testing.T) { foreignAreKeptBesideTheirOrder(t, connect, ref) })
	t.Run("have views that no token may read", func(t *testing.T) { foreignHaveViews(t, connect, ref) })
	t.Run("conflict only with themselves", func(t *testing.T) { foreignConflictOnlyWithThemselves(t, connect, ref) })
	t.Run("leave their order in the queue of attention", func(t *testing.T) { foreignLeaveTheirOrder(t, connect, ref) })
}

func foreignAreKeptBesideTheirOrder(t *testing.T, connect connector, ref payment.Ref) {
	t.Helper()
	f := fresh(t, connect)
	f.put(t, "pi_1")
	before := fieldsOf(t, f)
	c := f.putForeign(t, ref)
	if n := f.client.Exists(t.Context(), foreignKey("o_1", "pi_f")).Val(); n != 1 {
		t.Error("the foreign payment has no key of its own")
	}
	for name, text := range fieldsOf(t, f) {
		if before[name] != text {
			t.Errorf("the field %s of the order has changed to %s", name, text)
		}
	}
	o, _ := f.load(t, ref, "pi_f")
	if o.Ref() != ref || len(o.Loaded["pi_f"].History) != 1 || len(o.Attempts) != 1 {
		t.Errorf("got %+v", o)
	}
	if o = f.order(t, "o_1", "pi_f"); o.Loaded["pi_f"] != nil || o.Attempt("pi_f") != nil {
		t.Errorf("the order has the foreign payment: %+v", o)
	}
	f.expires(t, foreignKey("o_1", "pi_f"), retention)
	if page := f.page(t, "", 10); len(page.Events) != 2 || page.Events[1].ID != c.Events[0].ID {
		t.Errorf("events %+v", page.Events)
	}
}

func foreignHaveViews(t *testing.T, connect connector, ref payment.Ref) {
	t.Helper()
	f := fresh(t, connect)
	f.put(t, "pi_1")
	for range 3 {
		c := f.putForeign(t, ref)
		view := f.view(t, "pi_f")
		if view.Order != "" || string(view.View) != string(c.Views[0].JSON) || view.Version != c.Views[0].Version {
			t.Errorf("got %+v", view)
		}
	}
	history, err := f.LoadHistory(t.Context(), "pi_f")
	if Must(t, err); len(history) != 3 {
		t.Errorf("history %v", history)
	}
}

func foreignConflictOnlyWithThemselves(t *testing.T, connect connector, ref payment.Ref) {
	t.Helper()
	f := fresh(t, connect)
	stale, now := f.load(t, ref)
	f.put(t, "pi_1")
	f.putForeign(t, ref)
	f.putForeign(t, payment.Ref{Order: "o_1", Foreign: "pi_g"})
	o, c := Transition(stale, "pi_f", now)
	saved, err := f.SaveOrder(t.Context(), o, c, "pi_f")
	if conflict(t, err); saved.Order.Ref() != ref || len(saved.Order.Loaded["pi_f"].History) != 1 {
		t.Errorf("got %+v", saved.Order)
	}
}

func foreignLeaveTheirOrder(t *testing.T, connect connector, ref payment.Ref) {
	t.Helper()
	f := fresh(t, connect)
	o, c := leased(f.order(t, "o_1"), f.now(t))
	c.Attention = f.now(t)
	f.save(t, o, c)
	f.putForeign(t, ref)
	if ids := f.takeOrders(t, 10); len(ids) != 1 {
		t.Errorf("got %v, want o_1", ids)
	}
}

// putForeign writes one transition of a foreign payment, and its pointer.
func (f fixture) putForeign(t testing.TB, ref payment.Ref) payment.Changes {
	t.Helper()
	o, now := f.load(t, ref, ref.Foreign)
	Must(t, f.SavePointer(t.Context(), ref.Foreign, ref.Order, now.Add(retention)))
	o, c := Transition(o, ref.Foreign, now)
	c.Expires = retention
	f.save(t, o, c)
	return c
}
