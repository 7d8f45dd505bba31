package kasse_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	kasse "kasse/clients/go"
)

// dev is a kasse-dev of its own: the real server, with a simulated Stripe.
type dev struct {
	t             *testing.T
	kasse, stripe string // base URLs
	client        *kasse.Client
}

func startDev(t *testing.T) *dev {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kasse-dev")
	build := exec.Command("go", "build", "-o", program, "./cmd/kasse-dev")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build kasse-dev: %v\n%s", err, output)
	}
	command := exec.Command(program, "-duplicate", "0.3",
		"-addr", ":0", "-admin-addr", ":0", "-stripe-addr", ":0", "-shop-addr", ":0", "-console-addr", ":0")
	printed, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	d := &dev{t: t}
	for lines := bufio.NewScanner(printed); d.stripe == "" && lines.Scan(); {
		switch name, address, _ := strings.Cut(lines.Text(), " "); name {
		case "Kasse":
			d.kasse = strings.TrimSpace(address)
		case "Stripe":
			d.stripe = strings.TrimSpace(address)
		}
	}
	d.client = d.as(serviceKey)
	return d
}

// as returns a client with another credential.
func (d *dev) as(credential string) *kasse.Client {
	d.t.Helper()
	client, err := kasse.New(d.kasse, credential, kasse.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	return client
}

// pay confirms at the simulated Stripe, as a page does with Stripe.js.
func (d *dev) pay(opened *kasse.OpenedPayment, method string) {
	d.t.Helper()
	address := d.stripe + "/v1/payment_intents/" + opened.PaymentIntent + "/confirm"
	form := url.Values{
		"client_secret": {opened.ClientSecret}, "payment_method": {method}, "return_url": {
			"https://shop.example/thanks",
		},
	}
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("pk_test_kasse_dev", "")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// until follows the payment to a state.
func (d *dev) until(client *kasse.Client, id kasse.PaymentID, state kasse.State) *kasse.View {
	d.t.Helper()
	for view, err := range client.Follow(d.t.Context(), id) {
		if err != nil {
			d.t.Fatalf("%s until it is %s: %v", id, state, err)
		}
		if view.State == state {
			return view
		}
	}
	d.t.Fatalf("%s has never been %s", id, state)
	return nil
}

func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// TestAgainstKasse makes each call of the client at a real server.
func TestAgainstKasse(t *testing.T) {
	d := startDev(t)
	t.Run("card", d.in(testCard))
	t.Run("token and decline", d.in(testToken))
	t.Run("token that only reads", d.in(testReadToken))
	t.Run("manual capture", d.in(testCapture))
	t.Run("cancel", d.in(testCancel))
	t.Run("feed", d.in(testFeed))
	t.Run("orders", d.in(testOrders))
	t.Run("refusals", d.in(testRefusals))
}

func (d *dev) in(test func(*dev)) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		same := *d
		same.t = t
		test(&same)
	}
}

func testCard(d *dev) {
	t, ctx := d.t, d.t.Context()
	terms := kasse.PaymentCreate{OrderID: "card", Amount: 4200, Currency: "eur"}
	terms.Metadata = &map[string]string{"cart": "c1"}
	opened := must(d.client.CreatePayment(ctx, terms))(t)
	changed := must(d.client.ChangeAmount(ctx, must(d.client.Payment(ctx, opened.PaymentIntent))(t), 4300))(t)
	if same := must(d.client.WaitForChange(ctx, changed, 0))(t); same != changed {
		t.Errorf("nothing has changed, and the view is %v", same)
	}
	d.pay(opened, "pm_card_visa")
	moved := must(d.client.WaitForChange(ctx, changed, 25*time.Second))(t)
	if moved.Version <= changed.Version {
		t.Errorf("the version went from %d to %d", changed.Version, moved.Version)
	}
	paid := d.until(d.client, opened.PaymentIntent, kasse.StatePaid)
	if paid.AmountReceived != 4300 || paid.Metadata["cart"] != "c1" || !paid.Fulfillable {
		t.Errorf("the view is %+v", paid)
	}
	refund := kasse.RefundCreate{Amount: new(kasse.Amount(1000)), Reason: new(kasse.RefundReasonRequestedByCustomer)}
	first := must(d.client.RefundPayment(ctx, opened.PaymentIntent, "card-1", refund))(t)
	again := must(d.client.RefundPayment(ctx, opened.PaymentIntent, "card-1", refund))(t)
	refunds := must(d.client.Refunds(ctx, opened.PaymentIntent))(t)
	if first.Refund.ID != again.Refund.ID || len(refunds) != 1 || refunds[0].Amount != 1000 {
		t.Errorf("two calls with one key made %v", refunds)
	}
	if history := must(d.client.History(ctx, opened.PaymentIntent))(t); len(history) < 2 {
		t.Errorf("the history is %v", history)
	}
	if _, err := d.client.CreatePayment(ctx, terms); !errors.Is(err, kasse.ProblemCodeOrderAlreadyPaid) {
		t.Errorf("a create of a paid order gives %v", err)
	}
}

func testToken(d *dev) {
	t, ctx := d.t, d.t.Context()
	token := must(d.client.MintOrderToken(ctx, kasse.PaymentCreate{OrderID: "token", Amount: 900, Currency: "usd"}))(t)
	page := d.as(token.Token)
	opened := must(page.CreatePayment(ctx, kasse.PaymentCreate{OrderID: "token", Amount: 900, Currency: "usd"}))(t)
	d.pay(opened, "pm_card_visa_chargeDeclined")
	holder := d.as(opened.ClientSecret)
	failed := d.until(holder, opened.PaymentIntent, kasse.StateFailed)
	if failed.Next != kasse.NextRetry || failed.Failure == nil {
		t.Errorf("the view is %+v", failed)
	}
	d.pay(opened, "pm_card_visa")
	d.until(holder, opened.PaymentIntent, kasse.StatePaid)
	if order := must(page.Order(ctx, "token"))(t); order.Payment == nil || order.Payment.State != kasse.StatePaid {
		t.Errorf("the order is %+v", order)
	}
}

func testReadToken(d *dev) {
	t, ctx := d.t, d.t.Context()
	terms := kasse.PaymentCreate{OrderID: "read", Amount: 900, Currency: "usd"}
	must(d.client.CreatePayment(ctx, terms))(t)
	reader := d.as(must(d.client.MintReadToken(ctx, kasse.ReadTokenCreate{OrderID: "read"}))(t).Token)
	if order := must(reader.Order(ctx, "read"))(t); order.Payment == nil || order.Payment.Amount != 900 {
		t.Errorf("the order is %+v", order)
	}
	if opened, err := reader.CreatePayment(ctx, terms); !errors.Is(err, kasse.ProblemCodeInsufficientScope) {
		t.Errorf("a token that only reads opens %+v, %v", opened, err)
	}
}

func testCapture(d *dev) {
	t, ctx := d.t, d.t.Context()
	terms := kasse.PaymentCreate{OrderID: "bicycle", Amount: 9000, Currency: "eur"}
	terms.CaptureMethod = new(kasse.CaptureMethodManual)
	opened := must(d.client.CreatePayment(ctx, terms))(t)
	d.pay(opened, "pm_card_visa")
	d.until(d.client, opened.PaymentIntent, kasse.StateAuthorized)
	part := kasse.PaymentCapture{Amount: new(kasse.Amount(8000))}
	captured := must(d.client.CapturePayment(ctx, opened.PaymentIntent, part))(t)
	if captured.AmountReceived != 8000 {
		t.Errorf("the view is %+v", captured)
	}
}

func testCancel(d *dev) {
	t, ctx := d.t, d.t.Context()
	terms := kasse.PaymentCreate{OrderID: "regretted", Amount: 100, Currency: "eur"}
	opened := must(d.client.CreatePayment(ctx, terms))(t)
	abandoned := kasse.PaymentCancel{Reason: new(kasse.CancelReasonAbandoned)}
	canceled := must(d.client.CancelPayment(ctx, opened.PaymentIntent, abandoned))(t)
	if canceled.State != kasse.StateCanceled {
		t.Errorf("the view is %+v", canceled)
	}
	if _, err := d.client.CreatePayment(ctx, terms); !errors.Is(err, kasse.ProblemCodeOrderClosed) {
		t.Errorf("a create of a closed order gives %v", err)
	}
	terms.Reopen = new(true)
	if again := must(d.client.CreatePayment(ctx, terms))(t); again.Attempt != 2 {
		t.Errorf("reopened, the attempt is %d", again.Attempt)
	}
}

func testRefusals(d *dev) {
	t, ctx := d.t, d.t.Context()
	wrong := d.as(strings.Replace(serviceKey, "dev", "bad", 1))
	for _, err := range wrong.Feed(ctx, "") {
		if !errors.Is(err, kasse.ProblemCodeUnauthenticated) {
			t.Errorf("the feed with a wrong key gives %v", err)
		}
	}
	_, err := d.client.CreatePayment(ctx, kasse.PaymentCreate{OrderID: "bad order", Amount: 1, Currency: "eur"})
	refused, ok := errors.AsType[*kasse.Error](err)
	if !ok || refused.Code != kasse.ProblemCodeInvalidRequest || refused.Errors == nil {
		t.Fatalf("a bad order id gives %v", err)
	}
	if pointer := (*refused.Errors)[0].Pointer; *pointer != "/order_id" {
		t.Errorf("the mistake is at %s", *pointer)
	}
	if strings.Contains(fmt.Sprint(err), serviceKey) {
		t.Errorf("the error shows the key: %v", err)
	}
	for _, err := range d.client.Follow(ctx, "pi_nobody") {
		if !errors.Is(err, kasse.ProblemCodeNotFound) {
			t.Errorf("an unknown payment gives %v", err)
		}
	}
}
