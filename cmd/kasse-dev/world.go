package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"

	"kasse/cmd/internal/app"
	"kasse/service/stripe/stripesim"
)

// Credentials of the development server. They open nothing else, and so need not be secret.
const (
	serviceKey       = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"
	secretKey        = "sk_test_kasse_dev"                                // the simulator takes any
	publishableKey   = "pk_test_kasse_dev"                                // the same
	orderTokenSecret = "a2Fzc2UtZGV2LWthc3NlLWRldi1rYXNzZS1kZXYta2Fzc2U=" // the same
	webhookSecret    = "whsec_kasse_dev_kasse_dev_kasse"                  // the same
)

// world is everything that runs: Redis, Stripe, and Kasse between them.
type world struct {
	kasse, admin, stripe, control string // base URLs
	ended                         chan struct{}
	err                           error // why Kasse ended; read after ended
	cancel                        context.CancelFunc
	cleanups                      []func()
}

// start brings everything up, and returns once Kasse is ready.
func start(ctx context.Context, o options) (w *world, err error) {
	w = &world{ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	settings := map[string]string{
		"LISTEN_ADDR": o.addr, "ADMIN_ADDR": o.adminAddr, "DRAIN_DELAY": "0s", "LOG_FORMAT": "text",
		"ORDER_TOKEN_SECRETS": "dev:" + orderTokenSecret,
		"SERVICE_KEYS":        app.KeyEntry("dev", serviceKey, "read+write+manage+events"),
	}
	if os.Getenv("LOG_LEVEL") == "" {
		settings["LOG_LEVEL"] = "warn"
	}
	if settings["REDIS_URL"], err = w.startRedis(o); err != nil {
		return w, err
	}
	sim, err := w.startStripe(ctx, o, settings)
	if err != nil {
		return w, err
	}
	return w, w.startKasse(ctx, sim, settings)
}

// startRedis returns the URL of a Redis, embedded unless the flag names another.
func (w *world) startRedis(o options) (string, error) {
	if o.redis != "" {
		return o.redis, nil
	}
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		return "", err
	}
	w.cleanups = append(w.cleanups, redis.Close)
	return "redis://" + redis.Addr() + "/0", nil
}

// startStripe starts the simulator and its control surface, and points the settings at it. With -real the environment's
// own settings stay.
func (w *world) startStripe(ctx context.Context, o options, settings map[string]string) (*stripesim.Server, error) {
	if o.real {
		if strings.Contains(os.Getenv("STRIPE_SECRET_KEY"), "k_live_") {
			return nil, errors.New("STRIPE_SECRET_KEY is a live key: development uses test keys only")
		}
		w.stripe = "https://api.stripe.com"
		return nil, nil //nolint:nilnil // no simulator is what was asked for
	}
	sim := stripesim.New(stripesim.Options{
		Seed: o.seed, Duplicate: o.duplicate, Reorder: o.reorder, Drop: o.drop, Settle: o.settle,
	})
	w.cleanups = append(w.cleanups, sim.Close)
	var err error
	if w.stripe, err = w.serve(ctx, o.stripeAddr, sim); err != nil {
		return nil, err
	}
	if w.control, err = w.serve(ctx, o.controlAddr, sim.Control()); err != nil {
		return nil, err
	}
	settings["STRIPE_API_BASE"] = w.stripe
	settings["STRIPE_SECRET_KEY"] = secretKey
	settings["STRIPE_PUBLISHABLE_KEY"] = publishableKey
	settings["STRIPE_WEBHOOK_SECRETS"] = webhookSecret
	return sim, nil
}

// startKasse runs the real server on the settings, as production reads them.
func (w *world) startKasse(ctx context.Context, sim *stripesim.Server, settings map[string]string) error {
	for name, value := range settings {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
		if err := os.Unsetenv(name + "_FILE"); err != nil {
			return err
		}
	}
	config, err := app.LoadConfig()
	if err != nil {
		return err
	}
	listening := make(chan struct{})
	config.Listening = func(public, admin string) {
		w.kasse, w.admin = "http://"+public, "http://"+admin
		close(listening)
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() {
		defer close(w.ended)
		w.err = app.Run(ctx, config, app.NewLogger(config))
	}()
	select {
	case <-w.ended:
		return errors.New("kasse did not start")
	case <-listening:
	}
	if sim != nil {
		sim.AddWebhook(stripesim.Webhook{URL: w.kasse + "/webhooks/stripe", Secret: webhookSecret})
	}
	return w.awaitReady(ctx)
}

func (w *world) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		if response, err := get(ctx, w.admin+"/readyz"); err == nil && response == http.StatusOK {
			return nil
		}
		select {
		case <-w.ended:
			return errors.New("kasse did not become ready")
		case <-ctx.Done():
			return errors.New("kasse did not become ready in time: does Redis answer?")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// serve answers on an address until the world ends, and returns its base URL.
func (w *world) serve(ctx context.Context, address string, handler http.Handler) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("%w (choose another address; -help lists the flags)", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go server.Serve(listener) //nolint:errcheck // it ends with the world
	w.cleanups = append(w.cleanups, func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), nil
}

// stop ends everything in reverse, and returns why Kasse ended, if that was not asked for.
func (w *world) stop() error {
	if w.cancel != nil {
		w.cancel()
		<-w.ended
	}
	for _, cleanup := range slices.Backward(w.cleanups) {
		cleanup()
	}
	w.cleanups = nil
	return w.err
}
