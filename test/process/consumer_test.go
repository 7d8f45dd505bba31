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
func (w *processEnv) program(path, address string, env map[string]string, args ...string) *process {
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

// consumerShop is a shop: servers, and a consumer of their events that keeps its orders in a directory.
type consumerShop struct {
	*processEnv
	program  string
	args     []string
	data     string
	consumer *process
	pushing  map[string]string
	servers  []*process
	customer string
}

// consumerStory is a day of a shop: cards, debits that settle and that fail, every event delivered several times,
// and a consumer that is killed in between. Each paid order is fulfilled once.
func consumerStory(t *testing.T, program string, args ...string) {
	t.Helper()
	s := &consumerShop{
		processEnv: newEnv(t, stripesim.Options{Settle: time.Hour, Duplicate: 0.3, Reorder: 0.3}),
		program:    program, args: args, data: t.TempDir(),
	}
	s.refusesSecrets()
	s.startConsumer("127.0.0.1:0")
	s.pushing = map[string]string{
		"EVENT_ENDPOINTS":     s.consumer.public + "/kasse?key=hunter2=" + endpointSecret,
		"EVENT_ALLOW_PRIVATE": "true",
	}
	s.servers, s.customer = s.serve(2, s.pushing), s.processEnv.customer()
	paid := s.paysByCard()
	settles, fails := s.open(0, "debit-settles"), s.open(1, "debit-fails")
	for _, debit := range []view{settles, fails} {
		s.pay(debit, "pm_sepaDebit")
	}
	for _, debit := range []view{settles, fails} {
		awaitStatus(t, s.data, debit.OrderID, "pending")
	}
	s.consumer.kill()
	before := s.consumer
	s.no(s.sim.Settle(settles.PaymentIntent, true))
	s.no(s.sim.Settle(fails.PaymentIntent, false))
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
	s.fulfilledOnce(before.stdout.String()+s.consumer.stdout.String(), paid)
	s.refusesForged()
	for _, p := range s.servers {
		if strings.Contains(p.stderr.String(), "hunter2") {
			t.Error("a log holds the endpoint's key")
		}
	}
}

// refusesSecrets starts the consumer without a secret, and with one that is none.
func (s *consumerShop) refusesSecrets() {
	s.t.Helper()
	for _, secret := range []string{"", "hunter2"} {
		p := run(s.t, s.program, map[string]string{"DATA": s.data, "WEBHOOK_SECRET": secret}, s.args...)
		expect(s.t, "exit code with WEBHOOK_SECRET="+secret, p.exitCode(), 1)
		said := p.stderr.String()
		if !strings.HasPrefix(said, "WEBHOOK_SECRET must be") || strings.Contains(said, "hunter2") {
			s.t.Errorf("with WEBHOOK_SECRET=%q the message is %q", secret, said)
		}
	}
}

func (s *consumerShop) startConsumer(address string) {
	s.t.Helper()
	env := map[string]string{"DATA": s.data, "WEBHOOK_SECRET": endpointSecret}
	s.consumer = s.processEnv.program(s.program, address, env, s.args...)
}

// open creates a payment of the order at one of the servers.
func (s *consumerShop) open(server int, order string) view {
	s.t.Helper()
	return s.createPatiently(s.servers[server], order, s.customer)
}

// paysByCard pays eight orders, of which every second is declined, and returns those that are paid.
func (s *consumerShop) paysByCard() (paid []string) {
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

func (s *consumerShop) fulfilledOnce(said string, paid []string) {
	s.t.Helper()
	for _, order := range paid {
		if strings.Count(said, "fulfil "+order+" ") > 1 {
			s.t.Errorf("%s is fulfilled twice: %s", order, said)
		}
	}
}

func (s *consumerShop) refusesForged() {
	s.t.Helper()
	header := map[string]string{"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
	forged, err := call(s.t.Context(), s.client, http.MethodPost, s.consumer.public, header, "{}")
	if err != nil || forged.status != http.StatusUnauthorized {
		s.t.Errorf("a forged event: %d, %v", forged.status, err)
	}
}

// awaitIdle waits until everything has been pushed.
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
