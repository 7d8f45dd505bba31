package app

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/store"
)

// mistakes collects the mistakes of the environment, by variable. It never contains a value.
type mistakes []error

func (m *mistakes) add(variable, format string, args ...any) {
	*m = append(*m, fmt.Errorf("%s "+format, append([]any{variable}, args...)...))
}

// required reports that a required variable does not have its shape, and whether that is because it has no value. It
// never contains the value.
func (m *mistakes) required(variable, value, shape string) {
	if trim(value) == "" {
		shape = "is not set, or is empty: it " + shape
	}
	m.add(variable, "%s", shape)
}

func trim(value string) string { return strings.TrimSpace(value) }

// secret returns the value of the variable, or of the file that its _FILE variable names.
func (m *mistakes) secret(variable, value, file string) string {
	value, file = trim(value), trim(file)
	if file == "" {
		return value
	}
	if _, set := os.LookupEnv(variable); set {
		m.add(variable, "and %s_FILE are both set: keep one", variable)
		return value
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		m.add(variable+"_FILE", "names a file that cannot be read")
	}
	return trim(string(content))
}

// address checks a listen address. Empty is a mistake, since net.Listen would choose a random port.
func (m *mistakes) address(variable, value string) string {
	if _, port, err := net.SplitHostPort(trim(value)); err != nil || port == "" {
		m.add(variable, "must be host:port, or :port for every interface")
	}
	return trim(value)
}

// redis parses the URL as the store does. It opens no connection and hides the error, which may contain a
// password.
func (m *mistakes) redis(c Config) {
	if !slices.Contains(redisModes, c.RedisMode) {
		return
	}
	client, err := store.Connect(c.RedisMode, c.RedisURL.Reveal())
	if err != nil {
		m.add("REDIS_URL", "must be a URL that go-redis reads for this REDIS_MODE, such as redis://localhost:6379/0")
		return
	}
	_ = client.Close() // no connection is open
}

var (
	redisModes   = []string{"single", "cluster", "sentinel"}
	durabilities = []string{"require", "warn", "off"}
)

func (m *mistakes) duration(variable, value string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(trim(value))
	if err != nil || d < least {
		m.add(variable, "must be a duration of at least %s, such as 90s or 72h", least)
	}
	return d
}

// abandonAfter parses PAYMENT_ABANDON_AFTER. It is at least an hour, since customers may be slow.
func (m *mistakes) abandonAfter(value string) time.Duration {
	if trim(value) == "off" {
		return 0
	}
	d, err := time.ParseDuration(trim(value))
	if err != nil || d < time.Hour {
		m.add("PAYMENT_ABANDON_AFTER", "must be a duration of at least 1h, such as 168h, or off")
	}
	return d
}

func (m *mistakes) number(variable, value string, least, most int) int {
	n, err := strconv.Atoi(trim(value))
	if err != nil || n < least || n > most {
		m.add(variable, "must be a whole number from %d to %d", least, most)
	}
	return n
}

func (m *mistakes) choice(variable, value string, allowed ...string) string {
	if !slices.Contains(allowed, trim(value)) {
		m.add(variable, "must be one of: %s", strings.Join(allowed, ", "))
	}
	return trim(value)
}

func (m *mistakes) verification(value string) payment.Verification {
	return payment.Verification(m.choice("SUCCESS_VERIFICATION", value, verifications...))
}

// verifications are the values of SUCCESS_VERIFICATION.
var verifications = func() (all []string) {
	for _, v := range payment.Verifications {
		all = append(all, string(v))
	}
	return all
}()

func (m *mistakes) flag(variable, value string) bool {
	return m.choice(variable, value, "false", "true") == "true"
}

func (m *mistakes) pattern(variable, value string, pattern *regexp.Regexp) string {
	if !pattern.MatchString(trim(value)) {
		m.add(variable, "must match %s", pattern)
	}
	return trim(value)
}

func (m *mistakes) level(variable, value string) *slog.LevelVar {
	var level slog.Level
	if err := level.UnmarshalText([]byte(trim(value))); err != nil {
		m.add(variable, "must be debug, info, warn or error")
	}
	shared := new(slog.LevelVar)
	shared.Set(level)
	return shared
}

// traced reports whether there is a collector and traces are not disabled. OpenTelemetry for Go does not read
// OTEL_SDK_DISABLED. Its specification accepts true and false in any case. Source:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
func (m *mistakes) traced(endpoint, disabled string) bool {
	at, err := url.Parse(trim(endpoint))
	if trim(endpoint) != "" && (err != nil || at.Hostname() == "" || (at.Scheme != "http" && at.Scheme != "https")) {
		m.add("OTEL_EXPORTER_OTLP_ENDPOINT", "must be an http or https URL")
	}
	off := m.flag("OTEL_SDK_DISABLED", strings.ToLower(disabled))
	return trim(endpoint) != "" && !off
}

var (
	notEmpty       = regexp.MustCompile(`.`)
	tokenKID       = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	serviceName    = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	secretKey      = regexp.MustCompile(`^[sr]k_(test|live)_[A-Za-z0-9_]+$`)
	publishableKey = regexp.MustCompile(`^pk_(test|live)_[A-Za-z0-9_]+$`)
	webhookSecret  = regexp.MustCompile(`^whsec_[A-Za-z0-9+/=_-]{16,}$`)
)
