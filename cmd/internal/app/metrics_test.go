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

// definitions are the metrics of a whole program.
func definitions(t *testing.T) []definition {
	t.Helper()
	a, err := New(Config{RedisURL: "redis://127.0.0.1:1/0", RedisMode: "single", RedisPartitions: 1, StripeAPIBase: "http://127.0.0.1:1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a.metrics.all
}

var metricName = regexp.MustCompile(`\b(kasse_[a-z_]+|http_server_[a-z_]+|build_info)\b`)

// Whoever is woken at night finds in the dashboard, the alerts and the runbook no metric that does not exist, and for
// each alert what to do.
func TestOperatorsFilesNameRealMetrics(t *testing.T) {
	known := map[string]bool{}
	for _, d := range definitions(t) {
		known[d.name] = true
		if d.kind == "histogram" {
			known[d.name+"_bucket"], known[d.name+"_sum"], known[d.name+"_count"] = true, true, true
		}
	}
	files := map[string]string{}
	for _, path := range []string{"deploy/grafana/kasse.json", "deploy/prometheus/kasse.rules.yaml", "docs/runbook.md"} {
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
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(files["deploy/prometheus/kasse.rules.yaml"], -1)
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

// What a stranger or Stripe may choose is no label.
func TestLabelsAreBounded(t *testing.T) {
	m := newMetrics()
	for i := range 1000 {
		m.Heard(fmt.Sprintf("invoice.made_up_%d", i), service.Ignored, 0)
	}
	if count := lines(m, "kasse_webhook_events_total{"); count != 1 {
		t.Errorf("%d lines for types of Stripe's that we do not know", count)
	}
	r := run(t, nil)
	for i := range 50 {
		for _, method := range []string{"GET", fmt.Sprintf("MADE%dUP", i)} {
			request, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s/made/up/%d", r.public, i), http.NoBody)
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
	if count := strings.Count(r.scrape(), "http_server_request_duration_seconds_count{"); count != 2 {
		t.Errorf("%d lines for paths and methods that do not exist: want one each for GET and OTHER", count)
	}
}

func lines(m *metrics, prefix string) int {
	w := httptest.NewRecorder()
	m.handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return strings.Count(w.Body.String(), "\n"+prefix)
}
