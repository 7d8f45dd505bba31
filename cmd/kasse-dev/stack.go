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
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"

	"kasse/cmd/internal/app"
	"kasse/service/stripe/stripesim"
)

// Credentials of the development server. They give access to nothing else, so they need not be secret.
const (
	serviceKey       = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"
	secretKey        = "sk_test_kasse_dev"                                // the simulator accepts any
	publishableKey   = "pk_test_kasse_dev"                                // the same
	orderTokenSecret = "a2Fzc2UtZGV2LWthc3NlLWRldi1rYXNzZS1kZXYta2Fzc2U=" // the same
	webhookSecret    = "whsec_kasse_dev_kasse_dev_kasse"                  // the same
	pushSecret       = "whsec_a2Fzc2UtZGV2LWthc3NlLWRldi1rYXNzZS1kZXYta2Fzc2U="
)

const realStripe = "https://api.stripe.com"

// realStripeJS is Stripe.js of the newest release train, as @stripe/stripe-js 10.2.1 loads it.
const realStripeJS = "https://js.stripe.com/endive/stripe.js"

// stack holds the running servers: Redis, Stripe, Kasse, the shop and the console.
type stack struct {
	kasse, admin, stripe, control string // base URLs
	shop, console                 string // base URLs
	stripeJS                      string // URL of Stripe.js
	stripeKey                     string // Stripe's secret key
	ended                         chan struct{}
	err                           error // Kasse's final error; read after ended is closed
	cancel                        context.CancelFunc
	cleanups                      []func()
}

// start starts the stack and returns once Kasse is ready.
func start(ctx context.Context, o options) (w *stack, err error) {
	w = &stack{ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	settings := map[string]string{
		"LISTEN_ADDR": o.addr, "ADMIN_ADDR": o.adminAddr, "DRAIN_DELAY": "0s", "LOG_FORMAT": "text",
		"ORDER_TOKEN_SECRETS": "dev:" + orderTokenSecret,
		"SERVICE_KEYS":        app.KeyEntry("dev", serviceKey, app.Scopes()),
	}
	if os.Getenv("LOG_LEVEL") == "" {
		settings["LOG_LEVEL"] = "warn"
	}
	if settings["REDIS_URL"], err = w.startRedis(o); err != nil {
		return w, err
	}
	// The data need not last, and miniredis does not report durability.
	settings["REDIS_DURABILITY"] = "off"
	settings["REDIS_CLIENT_CACHE"] = strconv.FormatBool(o.redis != "") // miniredis does not report changes
	sim, err := w.startStripe(ctx, o, settings)
	if err != nil {
		return w, err
	}
	listener, err := w.listen(ctx, o.shopAddr) // Kasse's CORS setting needs the shop's origin
	if err != nil {
		return w, err
	}
	w.shop = base(listener)
	settings["CORS_ALLOWED_ORIGINS"] = origins(w.shop, os.Getenv("CORS_ALLOWED_ORIGINS"))
	consoleListener, err := w.listen(ctx, o.consoleAddr) // Kasse pushes events to this address
	if err != nil {
		return w, err
	}
	w.console = base(consoleListener)
	others, err := configured("EVENT_ENDPOINTS")
	if err != nil {
		return w, err
	}
	settings["EVENT_ENDPOINTS"] = endpoints(w.console, others)
	settings["EVENT_ALLOW_PRIVATE"] = "true"
	config, err := w.startKasse(ctx, sim, settings)
	if err != nil {
		return w, err
	}
	pages, err := newShop(w, app.NewLogger(config)).handler()
	if err != nil {
		return w, err
	}
	w.serve(listener, pages)
	return w, w.startConsole(ctx, config, consoleListener)
}

// origins returns CORS_ALLOWED_ORIGINS with the shop's origin added.
func origins(shop, others string) string {
	all := []string{shop, strings.Replace(shop, "127.0.0.1", "localhost", 1)}
	if others != "" {
		all = append(all, others)
	}
	return strings.Join(all, ",")
}

// startRedis returns the URL of a Redis: the flag's, or an embedded one.
func (w *stack) startRedis(o options) (string, error) {
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

// startKasse runs the real server. It reads the settings as production does.
func (w *stack) startKasse(ctx context.Context, sim *stripesim.Server, settings map[string]string) (app.Config, error) {
	config, err := configure(settings)
	if err != nil {
		return config, err
	}
	w.stripeKey = config.StripeSecretKey.Reveal()
	listening := make(chan struct{})
	config.Listening = func(public, admin string) {
		w.kasse, w.admin = "http://"+public, "http://"+admin
		close(listening)
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() {
		defer close(w.ended)
		if err := app.Run(ctx, config, app.NewLogger(config)); err != nil {
			w.err = errors.New(namedByFlags(err.Error()))
		}
	}()
	select {
	case <-w.ended:
		return config, errors.New("kasse did not start")
	case <-listening:
	}
	if sim != nil {
		sim.AddWebhook(stripesim.Webhook{URL: w.kasse + "/webhooks/stripe", Secret: webhookSecret})
	}
	return config, w.awaitReady(ctx)
}

// configure loads the configuration from the environment with these settings added.
func configure(settings map[string]string) (app.Config, error) {
	for name, value := range settings {
		if err := os.Setenv(name, value); err != nil {
			return app.Config{}, err
		}
		if err := os.Unsetenv(name + "_FILE"); err != nil {
			return app.Config{}, err
		}
	}
	config, err := app.LoadConfig()
	if err != nil {
		return config, &settingsError{namedByFlags(err.Error())}
	}
	if config.Livemode() {
		err = errors.New("STRIPE_SECRET_KEY is a live key: development uses test keys only")
	}
	return config, err
}

// settingsError describes mistakes in the flags and the environment.
type settingsError struct{ text string }

func (e *settingsError) Error() string { return e.text }

// namedByFlags names the flag instead of the variable in the lines about settings that come from flags. An address
// without a host is on loopback here.
func namedByFlags(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		variable := strings.TrimRight(strings.SplitN(line, " ", 2)[0], ":")
		if name, ok := flagOf[variable]; ok {
			lines[i] = name + strings.TrimSuffix(strings.TrimPrefix(line, variable), " for every interface")
		}
	}
	return strings.Join(lines, "\n")
}

// flagOf has the flags of settings.
var flagOf = map[string]string{"LISTEN_ADDR": "-addr", "ADMIN_ADDR": "-admin-addr", "REDIS_URL": "-redis"}

func (w *stack) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	for {
		if response, err := get(ctx, w.admin+"/readyz"); err == nil && response == http.StatusOK {
			return nil
		}
		select {
		case <-w.ended:
			return errors.New("kasse did not become ready")
		case <-ctx.Done():
			return errors.New("kasse did not become ready in time; check that Redis answers")
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

// open serves a handler on an address until the stack stops, and returns its base URL.
func (w *stack) open(ctx context.Context, address string, handler http.Handler) (string, error) {
	listener, err := w.listen(ctx, address)
	if err != nil {
		return "", err
	}
	w.serve(listener, handler)
	return base(listener), nil
}

func (w *stack) listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf(
			"%w: end the program that uses this address, or choose another one (kasse-dev -help lists the flags)", err,
		)
	}
	w.cleanups = append(w.cleanups, func() { _ = listener.Close() })
	return listener, nil
}

func (w *stack) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go server.Serve(listener) //nolint:errcheck // it ends with the world
	w.cleanups = append(w.cleanups, func() { _ = server.Close() })
}

func base(listener net.Listener) string { return "http://" + listener.Addr().String() }

// stop stops everything in reverse order. It returns Kasse's error, unless Kasse was stopped on purpose.
func (w *stack) stop() error {
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
