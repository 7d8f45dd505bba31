package app

import (
	"slices"
	"strings"
	"testing"
)

// TestMisspeltVariables: variables that resemble ours are named, and those of other programs are not.
func TestMisspeltVariables(t *testing.T) {
	tests := map[string]string{
		"STRIPE_WEBHOOK_SECRET": "STRIPE_WEBHOOK_SECRETS", "REDIS_DURABILTY": "REDIS_DURABILITY",
		"REDIS_WIAT_REPLICAS": "REDIS_WAIT_REPLICAS",
		"LISTEN_ADDRESS":      "LISTEN_ADDR", "SERVICE_KEY": "SERVICE_KEYS", "REDIS_WAIT": "REDIS_WAIT_REPLICAS",
		"SERVICE_NAME_FILE": "SERVICE_NAME",
		"CORS_ORIGINS":      "CORS_ALLOWED_ORIGINS", "CORS_ORIGIN": "CORS_ALLOWED_ORIGINS",
		"CORS_ALLOWED_ORIGIN": "CORS_ALLOWED_ORIGINS",
		"REDIS_CACHE":         "REDIS_CLIENT_CACHE", "ORDER_TTL": "ORDER_TOKEN_TTL", "RATE_LIMIT": "RATE_LIMIT_SERVICE",
		"ORIGINS": "", "CORS": "", "CORS_MAX_AGE": "", "REDIS_HOST": "",
		"REDIS_URL_FILE": "", "REDIS_URL": "", "REDIS_PORT": "", "REDIS_PORT_6379_TCP_ADDR": "",
		"REDIS_SERVICE_HOST": "", "KASSE_SERVICE_HOST": "",
		"STRIPE_API_KEY": "", "OTEL_SERVICE_NAME": "", "OTEL_EXPORTER_OTLP_ENDPOINTS": "", "LOGNAME": "", "PATH": "",
		"HOSTNAME": "",
	}
	before := unread()
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "hunter2")
			hints := slices.DeleteFunc(unread(), func(hint string) bool { return slices.Contains(before, hint) })
			switch {
			case want == "" && len(hints) > 0:
				t.Errorf("it is taken for ours: %s", hints)
			case want != "" && (len(hints) != 1 || !strings.Contains(hints[0], name) ||
				!strings.Contains(hints[0], "did you mean "+want+"?") || strings.Contains(hints[0], "hunter2")):
				t.Errorf("got %s, want %s", hints, want)
			}
		})
	}
}
