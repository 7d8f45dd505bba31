package app

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/push"
	"kasse/service/stripe"
)

// metrics is the registry that Prometheus scrapes. Its labels are bounded: the contract's routes, states and
// outcomes, the known operations of Stripe and commands of Redis, and the configured endpoints. None is an
// id. It is the Observer of every package that has one.
type metrics struct {
	tracing  Tracing // observes the same; nil: no traces
	registry *prometheus.Registry
	all      []definition // our own metrics; the registry also has Go's and the process's

	requests    *prometheus.HistogramVec
	webhooks    *prometheus.CounterVec
	webhookLag  prometheus.Histogram
	anomalies   *prometheus.CounterVec
	transitions *prometheus.CounterVec
	stripe      *prometheus.HistogramVec
	redis       *prometheus.HistogramVec
	redisErrors *prometheus.CounterVec
	reconciled  *prometheus.GaugeVec
	pushes      *prometheus.CounterVec
	pushDelay   *prometheus.HistogramVec
	pushWaiting *prometheus.GaugeVec
	pushLost    *prometheus.CounterVec
}

// definition is a row of docs/metrics.md.
type definition struct {
	name, kind string
	labels     []string
	help       string
}

// Buckets of the histograms, in seconds. A request may be a poll of 25 s; an event may come three days late.
var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50}
	redisBuckets   = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5}
	lagBuckets     = []float64{1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 72 * 3600}
)

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.requests = m.histogram(
		"http_server_request_duration_seconds", "Requests to the API; a request with wait counts its waiting time.",
		requestBuckets, "method", "route", "code",
	)
	m.webhooks = m.counter(
		"kasse_webhook_events_total",
		"Deliveries of Stripe by outcome; bad_signature and failed were not acknowledged.", "type",
		"outcome",
	)
	m.webhookLag = m.histogram(
		"kasse_webhook_lag_seconds",
		"From the creation of an event at Stripe (in whole seconds) to its acknowledgement.", lagBuckets,
	).WithLabelValues().(prometheus.Histogram)
	m.anomalies = m.counter(
		"kasse_anomalies_total",
		"Anomalies. status_mismatch: the type and the status of an event disagree. foreign_payment: a PaymentIntent "+
			"claims an attempt that has another payment. thin_event: an event has no snapshot of its object. "+
			"denied_success: a read shows that Stripe does not know a success that a webhook brought.",
		"what",
	)
	m.transitions = m.counter(
		"kasse_transitions_total", "Visible changes of payments; from is none for a new payment.",
		"from", "to",
	)
	m.stripe = m.histogram(
		"kasse_stripe_request_duration_seconds",
		"Every try of every call of Stripe's API; code is none if Stripe did not answer.", requestBuckets, "op",
		"code",
	)
	m.redis = m.histogram(
		"kasse_redis_command_duration_seconds", "Commands and pipelines sent to Redis, with all their tries.",
		redisBuckets,
		"command",
	)
	m.redisErrors = m.counter(
		"kasse_redis_errors_total", "Commands and pipelines sent to Redis that failed.", "command",
	)
	m.reconciled = m.gauge(
		"kasse_reconcile_last_success_timestamp_seconds",
		"When this replica last completed a background task: catch-up, restore, sweep or index. Only the replica "+
			"that holds the lease advances.",
		"source",
	)
	m.pushes = m.counter(
		"kasse_push_attempts_total",
		"Tries to push an event: delivered, failed, dead (the last try) or gone (410).", "endpoint", "outcome",
	)
	m.pushDelay = m.histogram(
		"kasse_push_delay_seconds", "From the change of a payment to the delivery of its event.", lagBuckets,
		"endpoint",
	)
	m.pushWaiting = m.gauge("kasse_push_waiting", "Events that no replica has begun to push.", "endpoint")
	m.pushLost = m.counter(
		"kasse_push_lost_total", "Events that EVENT_RETENTION dropped before they were pushed.", "endpoint",
	)
	m.describeProcess()
	return m
}

// describeProcess registers the metrics of the build, of Go and of the process.
func (m *metrics) describeProcess() {
	build := m.gauge("build_info", "Always 1; the labels name the build.", "version", "revision", "go_version")
	build.WithLabelValues(buildLabels()...).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

// beginAtZero creates the series of the alerts with 0. Prometheus sees no increase in a series that begins at
// 1.
func (m *metrics) beginAtZero(endpoints []*push.Endpoint) {
	for _, kind := range stripe.AllEventTypes() {
		for _, outcome := range []service.Outcome{
			service.Applied, service.Unchanged, service.Ignored, service.Quarantined, service.NotStored,
		} {
			m.webhooks.WithLabelValues(kind, string(outcome))
		}
	}
	for _, outcome := range []service.Outcome{
		service.Ignored, service.Quarantined, service.NotStored, service.BadSignature,
	} {
		m.webhooks.WithLabelValues(eventLabel(""), string(outcome))
	}
	for _, what := range service.Anomalies {
		m.anomalies.WithLabelValues(string(what))
	}
	for _, e := range endpoints {
		for _, outcome := range []string{"delivered", "failed", "dead", "gone"} {
			m.pushes.WithLabelValues(e.Name(), outcome)
		}
		m.pushLost.WithLabelValues(e.Name())
	}
}

func (m *metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(vec)
	m.all = append(m.all, definition{name, "counter", labels, help})
	return vec
}

func (m *metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(vec)
	m.all = append(m.all, definition{name, "gauge", labels, help})
	return vec
}

func (m *metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(vec)
	m.all = append(m.all, definition{name, "histogram", labels, help})
	return vec
}

// buildLabels returns the build information that Go stamps into the program.
func buildLabels() []string {
	version, revision := "unknown", "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		version = build.Main.Version
		for _, setting := range build.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	return []string{version, revision, runtime.Version()}
}

// handler answers with the metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(
		m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4},
	)
}

// statuses are the label values of status codes, so that a request allocates none.
var statuses = func() (all [600]string) {
	for status := range all {
		all[status] = strconv.Itoa(status)
	}
	all[0] = "none"
	return all
}()

// code returns the label of a status; 0 means no response.
func code(status int) string {
	if status < 0 || status >= len(statuses) {
		return "other"
	}
	return statuses[status]
}

// RequestHandled counts a request.
func (m *metrics) RequestHandled(ctx context.Context, method, route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(method, route, code(status)).Observe(took.Seconds())
	if m.tracing != nil {
		m.tracing.RequestHandled(ctx, method, route, status)
	}
}

// WebhookHandled counts a webhook delivery.
func (m *metrics) WebhookHandled(kind string, outcome service.Outcome, created int64) {
	m.webhooks.WithLabelValues(eventLabel(kind), string(outcome)).Inc()
	if created > 0 && outcome != service.NotStored {
		m.webhookLag.Observe(max(time.Since(time.Unix(created, 0)).Seconds(), 0))
	}
}

// eventLabel returns the event type if it can change a payment. All others share one label.
func eventLabel(kind string) string {
	if slices.Contains(stripe.EventTypes, kind) || slices.Contains(stripe.DetailEventTypes, kind) {
		return kind
	}
	return "other"
}

// StateChanged counts a visible change of a payment.
func (m *metrics) StateChanged(from, to payment.State) {
	if from == "" {
		from = "none"
	}
	m.transitions.WithLabelValues(string(from), string(to)).Inc()
}

// Anomaly counts an anomaly.
func (m *metrics) Anomaly(what service.Anomaly) { m.anomalies.WithLabelValues(string(what)).Inc() }

// Reconciled sets the time at which the source was last handled.
func (m *metrics) Reconciled(source string) { m.reconciled.WithLabelValues(source).SetToCurrentTime() }

// CallMade counts one try of a call to Stripe.
func (m *metrics) CallMade(operation string, status int, took time.Duration) {
	m.stripe.WithLabelValues(operation, code(status)).Observe(took.Seconds())
}

// CommandRun counts a command or pipeline sent to Redis.
func (m *metrics) CommandRun(ctx context.Context, command string, began time.Time, took time.Duration, failed bool) {
	m.redis.WithLabelValues(command).Observe(took.Seconds())
	if failed {
		m.redisErrors.WithLabelValues(command).Inc()
	}
	if m.tracing != nil {
		m.tracing.CommandRun(ctx, command, began, took, failed)
	}
}

// PushAttempted counts one try to push an event.
func (m *metrics) PushAttempted(endpoint, outcome string, appended time.Time) {
	m.pushes.WithLabelValues(endpoint, outcome).Inc()
	if outcome == "delivered" {
		m.pushDelay.WithLabelValues(endpoint).Observe(max(time.Since(appended).Seconds(), 0))
	}
}

// PushesWaiting sets the number of events that no worker has claimed.
func (m *metrics) PushesWaiting(endpoint string, waiting int) {
	m.pushWaiting.WithLabelValues(endpoint).Set(float64(waiting))
}

// PushesLost counts events that were trimmed before they were pushed.
func (m *metrics) PushesLost(endpoint string, count int) {
	m.pushLost.WithLabelValues(endpoint).Add(float64(count))
}
