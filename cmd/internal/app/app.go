// Package app is the program: it reads the configuration, wires the packages, serves, and drains.
//
// It is the only package that imports all of them, and a test can run it. Production has no development mode.
// kasse-dev is another main that passes the ordinary settings, with a Redis and a Stripe that it has started.
package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/api"
	"kasse/api/parking"
	"kasse/service"
	"kasse/service/push"
	"kasse/service/stripe"
	"kasse/store"
)

// App is one process of Kasse.
type App struct {
	Config
	log      *slog.Logger
	store    *store.Store
	close    func() error
	gateway  *stripe.Gateway
	service  *service.Service
	relay    *push.Relay
	issuer   *api.IssuerKeys // key set of the shop's own order tokens; nil: not configured
	parker   *parking.Parker // parks waiting requests; nil: they keep their goroutines
	public   http.Handler
	admin    http.Handler
	bounds   bounds
	metrics  *metrics
	tracing  Tracing                             // nil: no traces
	ready    atomic.Bool                         // Redis has been reached and identified as ours
	redisWas atomic.Pointer[api.DependencyState] // result of the last /readyz; nil: none yet
	draining chan struct{}                       // closed when the process shall stop
}

// New wires the packages. It opens no connection; Close must be called.
func New(c Config, log *slog.Logger) (*App, error) {
	client, err := store.Connect(c.RedisMode, c.RedisURL.Reveal())
	if err != nil {
		return nil, errors.New("REDIS_URL cannot be read for this REDIS_MODE") // the error may contain a password
	}
	readers, err := store.ConnectReaders(c.RedisMode, c.RedisURL.Reveal(), c.RedisClientCache)
	if err != nil {
		return nil, errors.Join(errors.New("no connection pool for readers"), client.Close()) // as above
	}
	a := &App{
		Config: c, log: log, close: func() error { return errors.Join(client.Close(), readers.Close()) },
		bounds: boundsFor(c), metrics: newMetrics(), draining: make(chan struct{}),
	}
	switch {
	case c.Traced && c.NewTracing == nil:
		log.Warn("traces: this program sends none; OTEL_EXPORTER_OTLP_ENDPOINT is ignored")
	case c.Traced:
		tracing, err := c.NewTracing(c.ServiceName, log)
		if err != nil {
			return nil, errors.Join(errors.New("traces: cannot be set up; see the OTEL_ variables"), a.Close())
		}
		a.tracing, a.metrics.tracing = tracing, tracing
	}
	background, outage := logOutages(log)
	a.store = store.New(client, store.Options{
		Partitions: c.RedisPartitions, Retention: c.PaymentRetention, EventRetention: c.EventRetention,
		WaitReplicas: c.RedisWaitReplicas, WaitTimeout: c.RedisWaitTimeout,
		Observer: outageWatch{a.metrics, outage}, Readers: readers, AutoPipeline: c.RedisAutoPipeline,
		TraceParent: a.traceParent,
	})
	a.gateway = stripe.New(stripe.Options{
		SecretKey: c.StripeSecretKey, WebhookSecrets: c.StripeWebhookSecrets, BaseURL: c.StripeAPIBase,
		Service: c.ServiceName, Timeout: c.StripeTimeout, Now: time.Now, Observer: a.metrics, Wrap: a.traceCalls,
		Logger: log,
	})
	a.service = service.New(a.store, a.gateway, service.Options{
		Name: c.ServiceName, Livemode: c.Livemode(), StripeTimeout: c.StripeTimeout, StripeReads: c.StripeReadRPS,
		Retention: c.PaymentRetention, OrderIndex: c.OrderIndex, AbandonAfter: c.PaymentAbandonAfter,
		MaxFailures: c.MaxFailedAttempts, Verification: c.SuccessVerification, Logger: background, Observer: a.metrics,
	})
	a.relay = push.NewRelay(
		a.store, a.destinations(), push.RelayOptions{Logger: background, Observer: a.metrics, Now: time.Now},
	)
	if c.IssuerKeysURL != "" {
		a.issuer = api.NewIssuerKeys(api.IssuerOptions{URL: c.IssuerKeysURL, Now: time.Now, Logger: log})
	}
	limits := c.Limits
	limits.Shared, limits.Now = a.store, time.Now
	a.public = api.New(a.service, api.Options{
		Keys: c.ServiceKeys, PublishableKey: c.StripePublishableKey, Livemode: c.Livemode(), Tokens: a.orderTokens(),
		Limits: limits, TrustedProxies: c.TrustedProxies, Origins: c.Origins, Logger: log, Draining: a.draining,
		Observer: a.metrics, Parker: a.newParker(), Outliving: a.outliving(),
	})
	a.public = a.traceRequests(a.public)
	a.metrics.watch(a)
	a.metrics.beginAtZero(c.Endpoints)
	a.admin = api.Admin(a.readiness, a.metrics.handler())
	return a, nil
}

// destinations converts the configured endpoints for the relay.
func (a *App) destinations() []push.Destination {
	all := make([]push.Destination, len(a.Endpoints))
	for i, e := range a.Endpoints {
		all[i] = a.tracePushes(e)
	}
	return all
}

// Close ends the connections.
func (a *App) Close() error {
	for _, e := range a.Endpoints {
		e.Close()
	}
	if a.tracing != nil {
		a.tracing.Close()
	}
	return a.close()
}

// Run serves until the context ends, then drains. It returns nil after a clean stop.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	defer flushLog(log)
	a, err := New(c, log)
	if err != nil {
		return err
	}
	defer a.Close() //nolint:errcheck // the process ends
	return a.Serve(ctx)
}

// Serve opens both listeners, serves until the context ends or a component fails, and drains.
func (a *App) Serve(ctx context.Context) error {
	switchLevel := a.switchable()
	public, err := a.listen(ctx, "LISTEN_ADDR", a.ListenAddr, a.public)
	if err != nil {
		return err
	}
	defer public.Close()                   //nolint:errcheck // after Shutdown there is nothing to close
	if err := a.park(public); err != nil { //nolint:contextcheck // each request has a context of its own
		return err
	}
	admin, err := a.listen(ctx, "ADMIN_ADDR", a.AdminAddr, a.admin)
	if err != nil {
		return err
	}
	defer admin.Close() //nolint:errcheck // the last to go
	for _, hint := range a.Unread {
		a.log.WarnContext(ctx, "configuration: a variable may be misspelt", "hint", hint)
	}
	if a.Listening != nil {
		a.Listening(public.address, admin.address)
	}
	a.log.InfoContext(ctx, "listening", "public", public.address, "admin", admin.address, "livemode", a.Livemode())

	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, work := errgroup.WithContext(work)
	a.background(work, group)
	group.Go(func() error { switchLevel(work); return nil })
	group.Go(func() error { tuneGC(work); return nil })
	group.Go(public.serve)
	group.Go(admin.serve)
	group.Go(func() error {
		defer stop()
		delay := a.DrainDelay
		select {
		case <-ctx.Done():
		case <-work.Done(): // a component has failed
			delay = 0
		}
		return a.drain(context.WithoutCancel(ctx), delay, public, admin)
	})
	return group.Wait()
}

// background starts the background workers. They stop when the context ends.
func (a *App) background(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { a.store.Listen(ctx); return nil })
	if a.issuer != nil {
		group.Go(func() error { a.issuer.Run(ctx); return nil })
	}
	group.Go(func() error {
		if err := a.claimRedis(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		if err := a.saveRetention(ctx); err != nil {
			return err
		}
		if err := a.assess(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		if err := a.relay.Register(ctx); err != nil {
			a.log.WarnContext(
				ctx, "push: could not register the endpoints yet, retrying", "error", err,
			) // the relay tries again
		}
		a.ready.Store(true)
		a.log.InfoContext(ctx, "ready")
		group.Go(func() error { a.relay.Run(ctx); return nil })
		group.Go(func() error { a.service.RunReadWorker(ctx); return nil })
		group.Go(func() error { a.service.Reconcile(ctx); return nil })
		return a.compareAccount(ctx)
	})
}

// drain stops the servers. First /readyz fails and held polls are answered; everything else is served for the
// delay, so that load balancers notice. Then the listeners close and running requests finish.
// SHUTDOWN_TIMEOUT counts from the signal.
func (a *App) drain(ctx context.Context, delay time.Duration, public, admin *server) error {
	a.log.InfoContext(ctx, "draining")
	deadline, cancel := context.WithTimeout(ctx, a.ShutdownTimeout)
	defer cancel()
	close(a.draining)
	select {
	case <-time.After(delay):
	case <-deadline.Done():
	}
	err := public.Shutdown(deadline)
	if a.parker != nil {
		err = cmp.Or(err, a.parker.Drain(deadline))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		a.log.WarnContext(ctx, "requests were cut off at SHUTDOWN_TIMEOUT")
		err = nil
	}
	return errors.Join(err, admin.Close())
}
