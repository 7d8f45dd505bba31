package process_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

const endpointSecret = "whsec_a2Fzc2Uta2Fzc2Uta2Fzc2Uta2Fzc2Uta2Fzc2U="

var saidAddress = regexp.MustCompile(`listening on (http://[0-9.]+:[0-9]+)`)

// program starts something that is no server of ours, and returns it with the address that it prints.
func (w *world) program(path, address string, env map[string]string, args ...string) *process {
	w.t.Helper()
	env["ADDR"] = address
	p := run(w.t, path, env, args...)
	wait.Until(w.t, "the address of "+filepath.Base(path), func() error {
		if p.hasEnded() {
			w.t.Fatalf("it ended: %s", p.stderr.String())
		}
		found := saidAddress.FindStringSubmatch(p.stdout.String())
		if found == nil {
			return wait.ErrNotYet
		}
		p.public = found[1]
		return nil
	})
	return p
}

func TestConsumerInGo(t *testing.T) {
	t.Parallel()
	consumerStory(t, binary(t, consumerBinary))
}

// consumerStory is a day of a shop: cards, debits that settle and that fail, every event delivered several times,
// and a consumer that is killed in between. Each paid order is fulfilled once.
func consumerStory(t *testing.T, program string, args ...string) {
	t.Helper()
	w := newWorld(t, stripesim.Options{Settle: time.Hour, Duplicate: 0.3, Reorder: 0.3})
	data := t.TempDir()
	env := func() map[string]string { return map[string]string{"DATA": data, "WEBHOOK_SECRET": endpointSecret} }
	for _, secret := range []string{"", "hunter2"} {
		p := run(t, program, map[string]string{"DATA": data, "WEBHOOK_SECRET": secret}, args...)
		expect(t, "exit code with WEBHOOK_SECRET="+secret, p.exitCode(), 1)
		said := p.stderr.String()
		if !strings.HasPrefix(said, "WEBHOOK_SECRET must be") || strings.Contains(said, "hunter2") {
			t.Errorf("with WEBHOOK_SECRET=%q the message is %q", secret, said)
		}
	}
	consumer := w.program(program, "127.0.0.1:0", env(), args...)
	pushing := map[string]string{
		"EVENT_ENDPOINTS": consumer.public + "/kasse?key=hunter2=" + endpointSecret, "EVENT_ALLOW_PRIVATE": "true",
	}
	all := w.serve(2, pushing)
	customer := w.customer()
	open := func(i int, order string) view { return w.createPatiently(all[i%2], order, customer) }
	var paid []string
	for i := range 8 {
		order := fmt.Sprintf("card-%d", i)
		w.pay(open(i, order), []string{"pm_card_visa", "pm_card_visa_chargeDeclined"}[i%2])
		if i%2 == 0 {
			paid = append(paid, order)
		}
	}
	settles, fails := open(0, "debit-settles"), open(1, "debit-fails")
	w.pay(settles, "pm_sepaDebit")
	w.pay(fails, "pm_sepaDebit")
	for _, order := range []string{settles.OrderID, fails.OrderID} {
		awaitStatus(t, data, order, "pending")
	}
	consumer.kill()
	before := consumer
	w.no(w.sim.Settle(settles.PaymentIntent, true))
	w.no(w.sim.Settle(fails.PaymentIntent, false))
	paid = append(paid, settles.OrderID)
	consumer = w.program(program, strings.TrimPrefix(consumer.public, "http://"), env(), args...)
	awaitStatus(t, data, fails.OrderID, "try_again")
	awaitFulfilled(t, data, paid)

	for range 2 {
		replay := w.command(pushing, "events", "replay")
		expect(t, "exit code of replay: "+replay.stderr.String(), replay.command.ProcessState.ExitCode(), 0)
	}
	awaitIdle(w, pushing)
	awaitFulfilled(t, data, paid)
	awaitStatus(t, data, fails.OrderID, "try_again")
	said := before.stdout.String() + consumer.stdout.String()
	for _, order := range paid {
		if strings.Count(said, "fulfil "+order+" ") > 1 {
			t.Errorf("%s is fulfilled twice: %s", order, said)
		}
	}
	forged, err := call(
		t.Context(), w.client, http.MethodPost, consumer.public,
		map[string]string{"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,x"}, "{}",
	)
	if err != nil || forged.status != http.StatusUnauthorized {
		t.Errorf("a forged event: %d, %v", forged.status, err)
	}
	for _, p := range all {
		if strings.Contains(p.stderr.String(), "hunter2") {
			t.Error("a log holds the endpoint's key")
		}
	}
}

// awaitIdle waits until everything has been pushed.
func awaitIdle(w *world, settings map[string]string) {
	w.t.Helper()
	wait.Until(w.t, "all deliveries", func() error {
		list := w.command(settings, "events", "endpoints").stdout.String()
		if !strings.Contains(list, "enabled; 0 under way, 0 to be tried again, 0 given up; 0 not begun") {
			return errors.New(list)
		}
		return nil
	})
}

func awaitStatus(t *testing.T, data, order, want string) {
	t.Helper()
	wait.Until(t, order+" as "+want, func() error {
		text, err := os.ReadFile(filepath.Join(data, "orders", order))
		if err != nil {
			return err
		}
		var o struct{ Status string }
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		if o.Status != want {
			return fmt.Errorf("it is %q", o.Status)
		}
		return nil
	})
}

// awaitFulfilled waits for all fulfilments; one that must not be there fails the test at once.
func awaitFulfilled(t *testing.T, data string, paid []string) {
	t.Helper()
	wait.Until(t, "the fulfilments", func() error {
		entries, err := os.ReadDir(filepath.Join(data, "fulfilled"))
		if err != nil {
			return err
		}
		missing := map[string]bool{}
		for _, order := range paid {
			missing[order] = true
		}
		for _, entry := range entries {
			if !missing[entry.Name()] {
				t.Fatalf("%s is fulfilled", entry.Name())
			}
			delete(missing, entry.Name())
		}
		if len(missing) > 0 {
			return fmt.Errorf("%v are missing", missing)
		}
		return nil
	})
}
