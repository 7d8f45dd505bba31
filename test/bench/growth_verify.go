package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"kasse/test/internal/testenv"
)

// verifySample compares some copies with a server's responses about them.
func (g *grown) verifySample(ctx context.Context) error {
	if _, err := g.serve(ctx, nil); err != nil {
		return err
	}
	defer g.server.Kill()
	sample := min(24, g.count)
	for i := range sample {
		n := i * (g.count / sample)
		if err := g.verify(ctx, n); err != nil {
			return fmt.Errorf("copy %d (%s): %w", n, nameOf(n), err)
		}
	}
	return nil
}

func (g *grown) verify(ctx context.Context, n int) error {
	name, t := nameOf(n), g.kind(g.made, n)
	shown, err := testenv.Call(ctx, http.DefaultClient, http.MethodGet, "http://"+g.server.Public+"/v1/payments/"+
		string(name.payment), map[string]string{"Authorization": "Bearer " + name.secret}, "")
	if err != nil || shown.Status != http.StatusOK {
		return fmt.Errorf("a read by client secret was answered with %d: %s, %w", shown.Status, shown.Body, err)
	}
	var view testenv.View
	if err := json.Unmarshal(shown.Body, &view); err != nil {
		return err
	}
	want := string(t.order.Attempts[0].State)
	if view.Order != string(name.order) || view.State != want && view.State != "partially_refunded" {
		return fmt.Errorf("the state is %s, of order %s; want %s", view.State, view.Order, want)
	}
	if err := g.verifyEvents(ctx, name, len(t.events)); err != nil {
		return err
	}
	listed, err := g.get(ctx, fmt.Sprintf("/v1/orders?customer=%s", name.customer))
	if err != nil {
		return err
	}
	var page struct {
		Orders []struct {
			Order   string       `json:"order_id"`
			Payment testenv.View `json:"payment"`
		}
	}
	if err := json.Unmarshal(listed.Body, &page); err != nil {
		return err
	}
	for _, o := range page.Orders {
		if o.Order == string(name.order) && o.Payment.State == view.State && o.Payment.Version == view.Version {
			return nil
		}
	}
	return fmt.Errorf("it is not in the list of its customer's orders: %s", listed.Body)
}

// verifyEvents checks that the feed has all events of the order.
func (g *grown) verifyEvents(ctx context.Context, name names, wanted int) error {
	found := 0
	for after := ""; found < wanted; {
		feed, err := g.get(ctx, "/v1/events?limit=500&order_id="+string(name.order)+"&after="+after)
		if err != nil {
			return err
		}
		var page struct {
			Events []struct{ Data testenv.View }
			Next   string
		}
		if err := json.Unmarshal(feed.Body, &page); err != nil {
			return err
		}
		for _, e := range page.Events {
			if e.Data.Order != string(name.order) || e.Data.Payment != string(name.payment) {
				return fmt.Errorf("the feed of %s has an event of %s", name, e.Data.Order)
			}
			found++
		}
		if page.Next == after {
			return fmt.Errorf("the feed has %d of its %d events", found, wanted)
		}
		after = page.Next
	}
	return nil
}
