package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kasse/service"
)

// definitions returns all metrics of a program.
func definitions(t *testing.T) []definition {
	t.Helper()
	a, err := New(Config{
		RedisURL: "redis://127.0.0.1:1/0", RedisMode: "single", RedisPartitions: 1,
		StripeAPIBase: "http://127.0.0.1:1",
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a.metrics.all
}

var metricName = regexp.MustCompile(`\b(kasse_[a-z_]+|http_server_[a-z_]+|build_info)\b`)

// TestOperatorsFilesNameRealMetrics: dashboard, alerts and runbook name only existing metrics, and the
// runbook has an entry for each alert.
func TestOperatorsFilesNameRealMetrics(t *testing.T) {
	known := map[string]bool{}
	for _, d := range definitions(t) {
		known[d.name] = true
		if d.kind == "histogram" {
			known[d.name+"_bucket"], known[d.name+"_sum"], known[d.name+"_count"] = true, true, true
		}
	}
	files := map[string]string{}
	for _, path := range []string{
		"deploy/grafana/kasse.json", "deploy/prometheus/kasse.rules.yaml", "docs/runbook.md",
	} {
		text, err := os.ReadFile("../../../" + path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = string(text)
		found := metricName.FindAllString(string(text), -1)
		if len(found) < 5 {
			t.Errorf("%s names only %d metrics", path, len(found))
		}
		for _, name := range found {
			if !known[name] {
				t.Errorf("%s names %s, which does not exist", path, name)
			}
		}
	}
	if !json.Valid([]byte(files["deploy/grafana/kasse.json"])) {
		t.Error("the dashboard is no JSON")
	}
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(
		files["deploy/prometheus/kasse.rules.yaml"], -1,
	)
	headings := regexp.MustCompile(`(?m)^## (Kasse\w+)$`).FindAllStringSubmatch(files["docs/runbook.md"], -1)
	if len(alerts) < 7 || fmt.Sprint(names(alerts)) != fmt.Sprint(names(headings)) {
		t.Errorf("alerts %v, headings of the runbook %v", names(alerts), names(headings))
	}
}

func names(matches [][]string) (all []string) {
	for _, match := range matches {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return all
}

// TestLabelsAreBounded: values that a client or Stripe may choose are no labels.
func TestLabelsAreBounded(t *testing.T) {
	m := newMetrics()
	for i := range 1000 {
		m.WebhookHandled(fmt.Sprintf("invoice.made_up_%d", i), service.Ignored, 0)
	}
	if count := lines(m, "kasse_webhook_events_total{"); count != 1 {
		t.Errorf("%d lines for types of Stripe's that we do not know", count)
	}
	r := run(t, nil)
	known := strings.Count(r.scrape(), "kasse_webhook_events_total{")
	for i := range 50 {
		forged := fmt.Sprintf(`{"id":"evt_%d","object":"event","type":"made.up_%d"}`, i, i)
		for _, made := range [][3]string{
			{"GET", fmt.Sprintf("/made/up/%d", i)},
			{fmt.Sprintf("MADE%dUP", i), "/made/up"},
			{"POST", "/webhooks/stripe", forged},
		} {
			request, err := http.NewRequestWithContext(
				t.Context(), made[0], "http://"+r.public+made[1], strings.NewReader(made[2]),
			)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
	}
	said := r.scrape()
	if count := strings.Count(said, "http_server_request_duration_seconds_count{"); count != 3 {
		t.Errorf(
			"%d lines for paths and methods that do not exist: want one each for GET and OTHER, and one for the "+
				"webhooks",
			count,
		)
	}
	if count := strings.Count(said, "kasse_webhook_events_total{"); count != known {
		t.Errorf("%d lines for webhooks, before they were made up %d", count, known)
	}
	if !strings.Contains(said, `kasse_webhook_events_total{outcome="bad_signature",type="other"} 50`) {
		t.Error("deliveries without a signature are not counted as bad ones")
	}
}

// TestEndpointLabels: endpoints of one host have different labels, without their paths. The series of alerts
// exist from the start.
func TestEndpointLabels(t *testing.T) {
	var m mistakes
	secret := "=whsec_" + secretOf(32)
	list := "http://127.0.0.1:1/hunter2" + secret + ",http://127.0.0.1:2" + secret +
		",http://127.0.0.1:1/?key=hunter2" + secret
	endpoints := m.endpoints(list, true)
	said := runAs(t, func(c *Config) { c.Endpoints = endpoints }, nil).scrape()
	for _, name := range []string{"http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:1#2"} {
		for _, want := range []string{
			`kasse_push_depth{endpoint="%s",state="dead"} 0`, `kasse_push_age_seconds{endpoint="%s"} 0`,
			`kasse_push_disabled{endpoint="%s"} 0`, `kasse_push_failing_seconds{endpoint="%s"} 0`,
			`kasse_push_attempts_total{endpoint="%s",outcome="dead"} 0`, `kasse_push_lost_total{endpoint="%s"} 0`,
		} {
			if line := fmt.Sprintf(want, name); !strings.Contains(said, line) {
				t.Errorf("there is no %s", line)
			}
		}
	}
	if strings.Contains(said, "hunter2") {
		t.Error("a path is a label")
	}
}

func lines(m *metrics, prefix string) int {
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return strings.Count(w.Body.String(), "\n"+prefix)
}
