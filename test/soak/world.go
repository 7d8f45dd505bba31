package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kasse/test/internal/town"
)

// world is Kasse and what stands around it.
type world struct {
	campaign
	dir        string
	redis      *town.Redis
	bank       *town.Bank
	courier    *town.Courier
	mailbox    *httptest.Server
	receiver   *receiver
	endpoint   *httptest.Server // the receiver's
	kasse      *town.Kasse
	client     *http.Client // of customers and backends
	scraper    *http.Client
	customer   string // of the shop, at Stripe
	accountant *follower
	books      books
	stop       context.CancelFunc // of the courier

	mu       sync.Mutex
	payments map[string]string // by order
	done     []town.History    // that have gone their whole walk
	entries  int               // transitions that the records name; negative: it is not known yet
}

// Pools are full from the start, so that a connection more is one too many.
const pool = "?pool_size=20&min_idle_conns=20"

// answerWithin is when a request counts as unanswered. Polls are held for 25 s at most.
const answerWithin = time.Minute

// newWorld starts everything. On an error nothing is left running.
func newWorld(ctx context.Context, dir, program string, c campaign) (*world, error) {
	w := &world{
		campaign: c, dir: dir, payments: map[string]string{}, entries: -1, accountant: &follower{
			told: map[string]bool{},
		},
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: answerWithin},
		scraper: &http.Client{Transport: &http.Transport{}, Timeout: answerWithin},
	}
	if err := w.open(ctx, program); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) open(ctx context.Context, program string) error {
	life, stop := context.WithCancel(ctx)
	w.stop = stop
	w.courier = (&town.Courier{
		Client: w.client, Stop: life, Taken: w.taken,
		Refused: func(status int, err error) { w.refused(life, status, err) },
	}).Roll(w.seed)
	w.mailbox = httptest.NewServer(w.courier)
	w.bank = town.NewBank(w.seed, w.mailbox.URL)
	w.receiver = &receiver{dice: rand.New(rand.NewPCG(w.seed, 1)), refused: map[string]bool{}, told: map[string]bool{}}
	w.endpoint = httptest.NewServer(w.receiver)
	var err error
	if w.customer, err = w.bank.Customer(ctx); err != nil {
		return err
	}
	if w.redis, err = town.NewRedis(filepath.Join(w.dir, "redis")); err != nil {
		return err
	}
	if err = w.redis.Start(ctx); err != nil {
		return err
	}
	process, err := town.Start(w.dir, program, w.settings(), "serve")
	if err != nil {
		return err
	}
	w.kasse = &town.Kasse{Process: process}
	if err := w.kasse.AwaitListening(ctx); err != nil {
		return err
	}
	w.courier.URL = "http://" + w.kasse.Public
	return w.kasse.AwaitReady(ctx)
}

// settings has every limit, far above the load, so that callers are counted.
func (w *world) settings() []string {
	secret := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))
	return town.Settings("redis://"+w.redis.Address+"/0"+pool, w.bank.HTTP.URL, map[string]string{
		"EVENT_ENDPOINTS": w.endpoint.URL + "=whsec_" +
			secret, "EVENT_ALLOW_PRIVATE": "true", "ORDER_TOKEN_SECRETS": "soak:" + secret,
		"RATE_LIMIT_SERVICE": "100000/s", "RATE_LIMIT_FRONTEND": "1000/s", "RATE_LIMIT_FRONTEND_STRIPE": "off",
		"RATE_LIMIT_ADDRESS": "1000/s", "TRUSTED_PROXIES": "127.0.0.1/32",
	})
}

// close ends every process, and what is ours.
func (w *world) close() {
	w.stop()
	if w.kasse != nil {
		w.kasse.Kill()
	}
	if w.redis != nil {
		w.redis.Close()
	}
	w.bank.Close()
	w.mailbox.Close()
	w.endpoint.Close()
	w.courier.Wait()
	w.client.CloseIdleConnections()
	w.scraper.CloseIdleConnections()
}

// refused hears of a webhook that was not taken.
func (w *world) refused(life context.Context, status int, err error) {
	w.books.note("a webhook", status, err, life.Err() != nil)
	if err == nil && status < 500 {
		w.books.complain("a webhook was answered %d", status)
	}
}

// taken hears of a webhook that was acknowledged. Of a payment that has no record yet, a refund's or dispute's is
// ignored.
func (w *world) taken(body, outcome string) {
	w.books.note("a webhook", http.StatusOK, nil, false)
	var e town.Event
	err := json.Unmarshal([]byte(body), &e)
	switch {
	case outcome == "applied" || outcome == "unchanged":
	case err == nil && outcome == "ignored" && !strings.HasPrefix(e.Type, "payment_intent."):
	default:
		w.books.complain("%s %s of ours was %s", e.Type, e.ID, outcome)
	}
}

// ask sends a request, and books what came of it.
func (w *world) ask(
	ctx context.Context, method, path, credential, body string, headers ...string,
) (town.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + credential}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	for i := 0; i+1 < len(headers); i += 2 {
		header[headers[i]] = headers[i+1]
	}
	a, err := town.Call(ctx, w.client, method, "http://"+w.kasse.Public+path, header, body)
	pattern, _, _ := strings.Cut(path, "?")
	w.books.note(method+" "+pattern, a.Status, err, ctx.Err() != nil)
	if err == nil && a.Status >= 500 {
		err = fmt.Errorf("%s %s was answered %d", method, pattern, a.Status)
	}
	return a, err
}

// truth is what there has to be by now.
func (w *world) truth() truth {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := truth{orders: len(w.done), entries: w.entries}
	for _, h := range w.done {
		switch h.State {
		case "pending", "failed", "action_required", "processing", "authorized":
			t.running++
		}
	}
	return t
}
