package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	spec "kasse"
	"kasse/api"
)

func TestConfig(t *testing.T) {
	w := newEnv(t)
	if answer := w.send(
		request{line: "GET /v1/config"},
	); answer.body != `{"publishable_key":"`+publishableKey+`","livemode":false}` {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}

func TestContractIsServed(t *testing.T) {
	w := newEnv(t)
	answer := w.send(request{line: "GET /openapi.yaml"})
	if answer.body != string(spec.OpenAPI) || answer.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %v", answer.status, answer.header)
	}
	if head := w.send(request{line: "HEAD /openapi.yaml"}); head.status != http.StatusOK {
		t.Errorf("HEAD: %d", head.status)
	}
	tag := answer.header.Get("ETag")
	for _, value := range forms(tag) {
		if again := w.send(
			request{line: "GET /openapi.yaml", header: ifNoneMatch(value)},
		); again.status != http.StatusNotModified || again.header.Get("ETag") != tag {
			t.Errorf("If-None-Match: %s: %d %v", value, again.status, again.header)
		}
	}
	if other := w.send(request{line: "GET /openapi.yaml", header: ifNoneMatch(`"1"`)}); other.status != http.StatusOK {
		t.Errorf("another version: %d", other.status)
	}
}

func TestProbes(t *testing.T) {
	redis := api.Dependency{Name: "redis"}
	var ready api.ReadyState
	asked := 0
	transport := checkedBy(t, &http.Transport{DisableKeepAlives: true})
	transport.probes = true
	w := &apiEnv{t: t, client: &http.Client{Transport: transport}}
	w.api = httptest.NewServer(api.Admin(
		func() (api.ReadyState, []api.Dependency) { asked++; return ready, []api.Dependency{redis} },
		http.NotFoundHandler(),
	))
	t.Cleanup(w.api.Close)
	if answer := w.send(request{line: "GET /livez"}); answer.status != http.StatusOK || asked != 0 {
		t.Errorf("/livez: %d, asked %d times", answer.status, asked)
	}
	for _, step := range []struct {
		ready  api.ReadyState
		redis  api.DependencyState
		status int
		body   string
	}{
		{api.Starting, api.DependencyUnreachable, 503, `{"status":"starting","dependencies":{"redis":"unreachable"}}`},
		{api.Starting, api.DependencyOK, 503, `{"status":"starting","dependencies":{"redis":"ok"}}`},
		{api.Ready, api.DependencyOK, 200, `{"status":"ready","dependencies":{"redis":"ok"}}`},
		{api.Ready, api.DependencyUnreachable, 200, `{"status":"ready","dependencies":{"redis":"unreachable"}}`},
		{api.Unavailable, api.DependencyUnmarked, 503, `{"status":"unavailable","dependencies":{"redis":"unmarked"}}`},
		{
			api.Unavailable, api.DependencyRebuilding, 503,
			`{"status":"unavailable","dependencies":{"redis":"rebuilding"}}`,
		},
		{api.Unavailable, api.DependencyReplica, 503, `{"status":"unavailable","dependencies":{"redis":"replica"}}`},
		{api.Unavailable, api.DependencyForeign, 503, `{"status":"unavailable","dependencies":{"redis":"foreign"}}`},
		{api.Draining, api.DependencyOK, 503, `{"status":"draining","dependencies":{"redis":"ok"}}`},
	} {
		ready, redis.State = step.ready, step.redis
		if answer := w.send(request{line: "GET /readyz"}); answer.status != step.status || answer.body != step.body {
			t.Errorf("/readyz: %d %s, want %s", answer.status, answer.body, step.body)
		}
	}
	for line, want := range map[string]int{
		"HEAD /readyz": 503, "POST /livez": 405, "GET /v1/config": 404, "GET /livez/": 404,
	} {
		if answer := w.send(request{line: line, bad: true}); answer.status != want {
			t.Errorf("%s: %d", line, answer.status)
		}
	}
}

// TestMetricsAnswerLikeTheProbes: the metrics have the headers of every answer, and their path has GET and HEAD only.
func TestMetricsAnswerLikeTheProbes(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) })
	admin := api.Admin(func() (api.ReadyState, []api.Dependency) { return api.Ready, nil }, metrics)
	for line, want := range map[string]int{
		"GET /metrics": 200, "HEAD /metrics": 200, "POST /metrics": 405, "GET /metrics/": 404,
	} {
		method, path, _ := strings.Cut(line, " ")
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, http.NoBody)
		r.Header.Set("X-Request-Id", "scrape-1")
		admin.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("X-Request-Id") != "scrape-1" {
			t.Errorf("%s: %d %v", line, w.Code, w.Header())
		}
		if allow := w.Header().Get("Allow"); want == 405 && allow != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", line, allow)
		}
	}
}
