package app

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"kasse/api"
	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
)

// environment holds the raw configuration. Every member is a string, because envconfig quotes values that it
// cannot convert, and because it accepts an empty variable as a required one.
type environment struct {
	ListenAddr      string `default:":8080" envconfig:"LISTEN_ADDR"`
	AdminAddr       string `default:"127.0.0.1:9090" envconfig:"ADMIN_ADDR"`
	DrainDelay      string `default:"3s" envconfig:"DRAIN_DELAY"`
	ShutdownTimeout string `default:"25s" envconfig:"SHUTDOWN_TIMEOUT"`

	RedisURL        string `default:"redis://localhost:6379/0" envconfig:"REDIS_URL"`
	RedisURLFile    string `envconfig:"REDIS_URL_FILE"`
	RedisMode       string `default:"single" envconfig:"REDIS_MODE"`
	RedisPartitions string `default:"16" envconfig:"REDIS_PARTITIONS"`

	RedisWaitReplicas string `default:"0" envconfig:"REDIS_WAIT_REPLICAS"`
	RedisWaitTimeout  string `default:"500ms" envconfig:"REDIS_WAIT_TIMEOUT"`
	RedisDurability   string `default:"warn" envconfig:"REDIS_DURABILITY"`
	RedisAutoPipeline string `default:"true" envconfig:"REDIS_AUTOPIPELINE"`
	RedisClientCache  string `default:"true" envconfig:"REDIS_CLIENT_CACHE"`
	OrderIndex        string `default:"true" envconfig:"ORDER_INDEX"`
	WaitParking       string `default:"true" envconfig:"WAIT_PARKING"`

	StripeSecretKey          string `envconfig:"STRIPE_SECRET_KEY"`
	StripeSecretKeyFile      string `envconfig:"STRIPE_SECRET_KEY_FILE"`
	StripePublishableKey     string `envconfig:"STRIPE_PUBLISHABLE_KEY"`
	StripeWebhookSecrets     string `envconfig:"STRIPE_WEBHOOK_SECRETS"`
	StripeWebhookSecretsFile string `envconfig:"STRIPE_WEBHOOK_SECRETS_FILE"`
	StripeAPIBase            string `default:"https://api.stripe.com" envconfig:"STRIPE_API_BASE"`
	StripeTimeout            string `default:"20s" envconfig:"STRIPE_TIMEOUT"`
	StripeReadRPS            string `envconfig:"STRIPE_READ_RPS"`

	ServiceKeys     string `envconfig:"SERVICE_KEYS"`
	ServiceKeysFile string `envconfig:"SERVICE_KEYS_FILE"`
	ServiceName     string `default:"kasse" envconfig:"SERVICE_NAME"`

	OrderTokenSecrets     string `envconfig:"ORDER_TOKEN_SECRETS"`
	OrderTokenSecretsFile string `envconfig:"ORDER_TOKEN_SECRETS_FILE"`
	OrderTokenJWKSURL     string `envconfig:"ORDER_TOKEN_JWKS_URL"`
	OrderTokenIssuer      string `envconfig:"ORDER_TOKEN_ISSUER"`
	OrderTokenAudience    string `default:"kasse" envconfig:"ORDER_TOKEN_AUDIENCE"`
	OrderTokenTTL         string `default:"15m" envconfig:"ORDER_TOKEN_TTL"`

	MaxFailedAttempts   string `default:"10" envconfig:"MAX_FAILED_ATTEMPTS"`
	SuccessVerification string `default:"background" envconfig:"SUCCESS_VERIFICATION"`

	RateLimitService   string `default:"1000/s" envconfig:"RATE_LIMIT_SERVICE"`
	RateLimitFrontend  string `default:"10/s" envconfig:"RATE_LIMIT_FRONTEND"`
	RateLimitStripe    string `default:"20/m" envconfig:"RATE_LIMIT_FRONTEND_STRIPE"`
	RateLimitAddress   string `default:"50/s" envconfig:"RATE_LIMIT_ADDRESS"`
	TrustedProxies     string `envconfig:"TRUSTED_PROXIES"`
	CORSAllowedOrigins string `envconfig:"CORS_ALLOWED_ORIGINS"`

	EventEndpoints     string `envconfig:"EVENT_ENDPOINTS"`
	EventEndpointsFile string `envconfig:"EVENT_ENDPOINTS_FILE"`
	EventAllowPrivate  string `default:"false" envconfig:"EVENT_ALLOW_PRIVATE"`

	PaymentRetention    string `default:"13200h" envconfig:"PAYMENT_RETENTION"`
	PaymentAbandonAfter string `default:"168h" envconfig:"PAYMENT_ABANDON_AFTER"`
	EventRetention      string `default:"720h" envconfig:"EVENT_RETENTION"`
	LogLevel            string `default:"info" envconfig:"LOG_LEVEL"`
	LogFormat           string `default:"json" envconfig:"LOG_FORMAT"`
	OTLPEndpoint        string `envconfig:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	OTelDisabled        string `default:"false" envconfig:"OTEL_SDK_DISABLED"`
}

// Config is the validated configuration.
type Config struct {
	ListenAddr, AdminAddr       string
	DrainDelay, ShutdownTimeout time.Duration

	RedisURL        payment.Secret // may contain a password
	RedisMode       string
	RedisPartitions int

	RedisWaitReplicas int
	RedisWaitTimeout  time.Duration
	RedisDurability   string // require, warn or off

	RedisAutoPipeline, RedisClientCache bool

	OrderIndex  bool // keeps the index behind GET /v1/orders
	WaitParking bool // waiting status requests keep no goroutine

	StripeSecretKey      payment.Secret
	StripePublishableKey string
	StripeWebhookSecrets []payment.Secret
	StripeAPIBase        string
	StripeTimeout        time.Duration
	StripeReadRPS        int

	ServiceKeys []api.Key
	ServiceName string

	OrderTokens       api.Tokens
	IssuerKeysURL     string // key set of the shop's own issuer of order tokens; empty: none
	MaxFailedAttempts int

	SuccessVerification payment.Verification // how successes from webhooks are verified; empty: off

	Limits         api.Limits
	TrustedProxies []netip.Prefix
	Origins        []string

	Endpoints []*push.Endpoint // endpoints that get pushed events

	PaymentRetention, EventRetention time.Duration
	PaymentAbandonAfter              time.Duration  // zero: off
	LogLevel                         *slog.LevelVar // toggled by SIGUSR1
	LogFormat                        string
	Traced                           bool // spans are exported, by OpenTelemetry's own variables

	// Unread has a hint for each set variable that nothing reads and that resembles one of ours.
	Unread []string

	// NewTracing makes the Tracing: traces.New in production; nil: the program sends no traces. TraceID returns
	// the id of the context's trace, for the log; empty if there is none.
	NewTracing func(service string, log *slog.Logger) (Tracing, error)
	TraceID    func(context.Context) string

	// Listening is called with the addresses once both listeners are open; it may be nil.
	Listening func(public, admin string)
}

// Livemode reports whether the Stripe keys move real money.
func (c Config) Livemode() bool { return strings.Contains(c.StripeSecretKey.Reveal(), "k_live_") }

// LoadConfig reads the environment. Its error lists every mistake by variable, without values.
func LoadConfig() (Config, error) {
	var e environment
	if err := envconfig.Process("", &e); err != nil {
		return Config{}, errors.New("the environment cannot be read") // envconfig's error quotes values
	}
	var m mistakes
	c := m.plain(e)
	m.secrets(e, &c)
	if c.OrderTokens.TTL > 24*time.Hour {
		m.add("ORDER_TOKEN_TTL", "must be at most 24h")
	}
	if c.RedisWaitTimeout > store.MaxWait {
		m.add("REDIS_WAIT_TIMEOUT", "must be at most %s", store.MaxWait)
	}
	m.redis(c)
	m.stripeKeys(c)
	c.Endpoints = m.endpoints(
		m.secret("EVENT_ENDPOINTS", e.EventEndpoints, e.EventEndpointsFile),
		m.flag("EVENT_ALLOW_PRIVATE", e.EventAllowPrivate),
	)
	c.StripeReadRPS = m.readRPS(e.StripeReadRPS, c.Livemode())
	c.Unread = unread()
	return c, errors.Join(m...)
}

// plain reads the settings that stand alone.
func (m *mistakes) plain(e environment) Config {
	return Config{
		ListenAddr: m.address("LISTEN_ADDR", e.ListenAddr), AdminAddr: m.address("ADMIN_ADDR", e.AdminAddr),
		DrainDelay:      m.duration("DRAIN_DELAY", e.DrainDelay, 0),
		ShutdownTimeout: m.duration("SHUTDOWN_TIMEOUT", e.ShutdownTimeout, time.Second),

		RedisMode:       m.choice("REDIS_MODE", e.RedisMode, redisModes...),
		RedisPartitions: m.number("REDIS_PARTITIONS", e.RedisPartitions, 1, 64),

		RedisWaitReplicas: m.number("REDIS_WAIT_REPLICAS", e.RedisWaitReplicas, 0, 5),
		RedisWaitTimeout:  m.duration("REDIS_WAIT_TIMEOUT", e.RedisWaitTimeout, time.Millisecond),
		RedisDurability:   m.choice("REDIS_DURABILITY", e.RedisDurability, durabilities...),
		RedisAutoPipeline: m.flag("REDIS_AUTOPIPELINE", e.RedisAutoPipeline),
		RedisClientCache:  m.flag("REDIS_CLIENT_CACHE", e.RedisClientCache),
		OrderIndex:        m.flag("ORDER_INDEX", e.OrderIndex),
		WaitParking:       m.flag("WAIT_PARKING", e.WaitParking),

		StripePublishableKey: trim(e.StripePublishableKey),
		StripeAPIBase:        strings.TrimRight(trim(e.StripeAPIBase), "/"),
		StripeTimeout:        m.duration("STRIPE_TIMEOUT", e.StripeTimeout, time.Second),

		ServiceName: m.pattern("SERVICE_NAME", e.ServiceName, serviceName),

		MaxFailedAttempts:   m.number("MAX_FAILED_ATTEMPTS", e.MaxFailedAttempts, 1, 100),
		SuccessVerification: m.verification(e.SuccessVerification),

		Limits: m.limits(e), TrustedProxies: m.proxies(e.TrustedProxies), Origins: m.origins(e.CORSAllowedOrigins),

		PaymentRetention:    m.duration("PAYMENT_RETENTION", e.PaymentRetention, 720*time.Hour),
		PaymentAbandonAfter: m.abandonAfter(e.PaymentAbandonAfter),
		EventRetention:      m.duration("EVENT_RETENTION", e.EventRetention, 2*time.Hour),
		LogLevel:            m.level("LOG_LEVEL", e.LogLevel),
		LogFormat:           m.choice("LOG_FORMAT", e.LogFormat, "json", "text"),
		Traced:              m.traced(e.OTLPEndpoint, e.OTelDisabled),
	}
}

// secrets reads the settings that may come from files, and the settings that are checked with them.
func (m *mistakes) secrets(e environment, c *Config) {
	c.RedisURL = payment.Secret(m.secret("REDIS_URL", e.RedisURL, e.RedisURLFile))
	c.StripeSecretKey = payment.Secret(m.secret("STRIPE_SECRET_KEY", e.StripeSecretKey, e.StripeSecretKeyFile))
	c.StripeWebhookSecrets = m.webhookSecrets(
		m.secret("STRIPE_WEBHOOK_SECRETS", e.StripeWebhookSecrets, e.StripeWebhookSecretsFile),
	)
	c.ServiceKeys = m.serviceKeys(m.secret("SERVICE_KEYS", e.ServiceKeys, e.ServiceKeysFile))
	c.OrderTokens = api.Tokens{
		Secrets:  m.tokenSecrets(m.secret("ORDER_TOKEN_SECRETS", e.OrderTokenSecrets, e.OrderTokenSecretsFile)),
		Audience: m.pattern("ORDER_TOKEN_AUDIENCE", e.OrderTokenAudience, notEmpty),
		TTL: m.duration(
			"ORDER_TOKEN_TTL", e.OrderTokenTTL, time.Second,
		), Issuer: trim(e.OrderTokenIssuer), Now: time.Now,
	}
	c.IssuerKeysURL = m.issuerKeys(e.OrderTokenJWKSURL, e.OrderTokenIssuer)
}
