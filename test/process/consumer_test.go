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

// printedAddress matches the address that a program prints.
var printedAddress = regexp.MustCompile(`listening on (http://[0-9.]+:[0-9]+)`)

// program starts a program other than Kasse, and waits for the address that it prints.
func (w *processEnv) program(path, address string, env map[string]string, args ...string) *process {
	w.t.Helper()
	env["ADDR"] = address
	p := run(w.t, path, env, args...)
	wait.Until(w.t, "the address of "+filepath.Base(path), func() error {
		if p.hasEnded() {
			w.t.Fatalf("%s ended: %s", filepath.Base(path), p.stderr.String())
		}
		found := printedAddress.FindStringSubmatch(p.stdout.String())
		if found == nil {
			return wait.ErrNotYet
		}
		p.public = found[1]
		return nil
	})
	return p
}

// TestConsumerInGo plays consumerStory with examples/consumer-go.
func TestConsumerInGo(t *testing.T) {
	t.Parallel()
	consumerStory(t, binary(t, consumerBinary))
}

// consumerShop is a shop: servers, and a consumer of their events that stores its orders in a
// directory.
type consumerShop struct {
	*processEnv
	program  string // the consumer's program, with args
	args     []string
	data     string // directory of the consumer
	consumer *process
	pushing  map[string]string // settings of the servers
	servers  []*process
	customer string
}

// consumerStory plays orders of a shop: cards, and debits that settle and that fail. Every event is
// delivered several times, and the consumer is killed in between. The consumer must fulfil each
// paid order once.
func consumerStory(t *testing.T, program string, args ...string) {
	t.Helper()
	s := &consumerShop{
		processEnv: newEnv(t, stripesim.Options{Settle: time.Hour, Duplicate: 0.3, Reorder: 0.3}),
		program:    program, args: args, data: t.TempDir(),
	}
	s.checkBadSecrets()
	s.startConsumer("127.0.0.1:0")
	s.pushing = map[string]string{
		"EVENT_ENDPOINTS":     s.consumer.public + "/kasse?key=hunter2=" + endpointSecret,
		"EVENT_ALLOW_PRIVATE": "true",
	}
	s.servers, s.customer = s.serve(2, s.pushing), s.processEnv.customer()
	paid := s.payByCard()
	settles, fails := s.open(0, "debit-settles"), s.open(1, "debit-fails")
	for _, debit := range []view{settles, fails} {
		s.pay(debit, "pm_sepaDebit")
	}
	for _, debit := range []view{settles, fails} {
		awaitStatus(t, s.data, debit.OrderID, "pending")
	}
	s.consumer.kill()
	before := s.consumer
	s.noError(s.sim.Settle(settles.PaymentIntent, true))
	s.noError(s.sim.Settle(fails.PaymentIntent, false))
	paid = append(paid, settles.OrderID)
	s.startConsumer(strings.TrimPrefix(before.public, "http://"))
	awaitStatus(t, s.data, fails.OrderID, "try_again")
	awaitFulfilled(t, s.data, paid)

	for range 2 {
		replay := s.command(s.pushing, "events", "replay")
		expect(t, "exit code of replay: "+replay.stderr.String(), replay.command.ProcessState.ExitCode(), 0)
	}
	awaitIdle(s.processEnv, s.pushing)
	awaitFulfilled(t, s.data, paid)
	awaitStatus(t, s.data, fails.OrderID, "try_again")
	s.checkFulfilledOnce(before.stdout.String()+s.consumer.stdout.String(), paid)
	s.checkForgedEvent()
	for _, p := range s.servers {
		if strings.Contains(p.stderr.String(), "hunter2") {
			t.Error("a server's log contains the endpoint's key")
		}
	}
}

// checkBadSecrets starts the consumer without a secret, and with a malformed one.
func (s *consumerShop) checkBadSecrets() {
	s.t.Helper()
	for _, secret := range []string{"", "hunter2"} {
		p := run(s.t, s.program, map[string]string{"DATA": s.data, "WEBHOOK_SECRET": secret}, s.args...)
		expect(s.t, "exit code with WEBHOOK_SECRET="+secret, p.exitCode(), 1)
		message := p.stderr.String()
		if !strings.HasPrefix(message, "WEBHOOK_SECRET must be") || strings.Contains(message, "hunter2") {
			s.t.Errorf(
				"with WEBHOOK_SECRET=%q the message is %q, want \"WEBHOOK_SECRET must be\" and not the value",
				secret, message,
			)
		}
	}
}

// startConsumer starts the consumer and waits until it listens.
func (s *consumerShop) startConsumer(address string) {
	s.t.Helper()
	env := map[string]string{"DATA": s.data, "WEBHOOK_SECRET": endpointSecret}
	s.consumer = s.processEnv.program(s.program, address, env, s.args...)
}

// open creates the payment of an order at one of the servers.
func (s *consumerShop) open(server int, order string) view {
	s.t.Helper()
	return s.createWithRetries(s.servers[server], order, s.customer)
}

// payByCard confirms eight orders by card. Stripe declines every second one. It returns the paid
// orders.
func (s *consumerShop) payByCard() (paid []string) {
	s.t.Helper()
	for i := range 8 {
		order := fmt.Sprintf("card-%d", i)
		s.pay(s.open(i%2, order), []string{"pm_card_visa", "pm_card_visa_chargeDeclined"}[i%2])
		if i%2 == 0 {
			paid = append(paid, order)
		}
	}
	return paid
}

// checkFulfilledOnce checks in the consumer's output that it has fulfilled no order twice. A killed
// consumer may have fulfilled an order without printing it.
func (s *consumerShop) checkFulfilledOnce(output string, paid []string) {
	s.t.Helper()
	for _, order := range paid {
		if times := strings.Count(output, "fulfil "+order+" "); times > 1 {
			s.t.Errorf("%s was fulfilled %d times, want once: %s", order, times, output)
		}
	}
}

// checkForgedEvent checks that the consumer refuses an event with a wrong signature.
func (s *consumerShop) checkForgedEvent() {
	s.t.Helper()
	header := map[string]string{"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
	forged, err := call(s.t.Context(), s.client, http.MethodPost, s.consumer.public, header, "{}")
	if err != nil || forged.status != http.StatusUnauthorized {
		s.t.Errorf("a forged event: status %d (%v), want 401", forged.status, err)
	}
}

// awaitIdle waits until the servers have pushed every event.
func awaitIdle(w *processEnv, settings map[string]string) {
	w.t.Helper()
	wait.Until(w.t, "all deliveries", func() error {
		list := w.command(settings, "events", "endpoints").stdout.String()
		if !strings.Contains(list, "enabled; 0 under way, 0 to be tried again, 0 given up; 0 not begun") {
			return errors.New(list)
		}
		return nil
	})
}

// awaitStatus waits until the consumer has stored the status of the order.
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
			return fmt.Errorf("the status is %q", o.Status)
		}
		return nil
	})
}

// awaitFulfilled waits until the consumer has fulfilled all paid orders. It fails the test
// immediately if the consumer has fulfilled another one.
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
				t.Fatalf("%s was fulfilled, want only the paid orders %v", entry.Name(), paid)
			}
			delete(missing, entry.Name())
		}
		if len(missing) > 0 {
			return fmt.Errorf("the fulfilments of %v are missing", missing)
		}
		return nil
	})
}
