package deploy_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v2"
)

const (
	rulesFile = "deploy/prometheus/kasse.rules.yaml"
	dashboard = "deploy/grafana/kasse.json"
)

var language = parser.NewParser(parser.Options{})

// alerts parses the rules as Prometheus does. An unknown field, a bad expression or a bad template fails.
func alerts(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.Parse(
		read(t, rulesFile), false, model.UTF8Validation, language, slog.New(slog.DiscardHandler),
	)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// ruleTests is a test file of promtool, with the members that the file of this repository uses.
type ruleTests struct {
	Rules    []string       `yaml:"rule_files"`
	Interval model.Duration `yaml:"evaluation_interval"`
	Tests    []scenario     `yaml:"tests"`
}

type scenario struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval"`
	Series   []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Questions []question `yaml:"promql_expr_test"`
}

type question struct {
	Expression string         `yaml:"expr"`
	At         model.Duration `yaml:"eval_time"`
	Samples    []struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	} `yaml:"exp_samples"`
}

// scenarios returns the scenarios of the promtool file.
func scenarios(t *testing.T) ruleTests {
	t.Helper()
	var file ruleTests
	if err := yaml.UnmarshalStrict(read(t, strings.Replace(rulesFile, ".yaml", ".test.yaml", 1)), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAlerts does what promtool test rules does: Prometheus's engine evaluates the rules over the series,
// minute by minute, and the results are compared.
func TestAlerts(t *testing.T) {
	file := scenarios(t)
	if !slices.Equal(file.Rules, []string{filepath.Base(rulesFile)}) {
		t.Fatalf("the tested rules are %v, want %s", file.Rules, filepath.Base(rulesFile))
	}
	for _, s := range file.Tests {
		t.Run(s.Name, func(t *testing.T) {
			for _, wrong := range s.run(t, time.Duration(file.Interval)) {
				t.Error(wrong)
			}
		})
	}
}

// TestWrongExpectationFails: a scenario with a wrong expectation fails, in either direction.
func TestWrongExpectationFails(t *testing.T) {
	file := scenarios(t)
	s := file.Tests[1]
	quiet, firing := s.Questions[0], s.Questions[1]
	quiet.Samples, firing.Samples = firing.Samples, quiet.Samples
	s.Questions = []question{quiet, firing}
	if wrong := s.run(t, time.Duration(file.Interval)); len(wrong) != 2 {
		t.Errorf("%s, with exchanged expectations: %v", s.Name, wrong)
	}
}

// run returns the unmet expectations.
func (s scenario) run(t *testing.T, every time.Duration) (wrong []string) {
	t.Helper()
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", s.Interval)
	for _, one := range s.Series {
		fmt.Fprintf(&load, "  %s %s\n", one.Series, one.Values)
	}
	suite, err := promqltest.NewLazyLoader(
		load.String(), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	groups := loadRules(t, suite)
	last := slices.MaxFunc(s.Questions, func(a, b question) int { return cmp.Compare(a.At, b.At) }).At
	for at := time.Duration(0); at <= time.Duration(last); at += every {
		now := time.Unix(0, 0).UTC().Add(at)
		suite.WithSamplesTill(now, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				group.Eval(suite.Context(), now)
			}
		})
	}
	for _, q := range s.Questions {
		got, want := q.ask(t, suite), q.want(t)
		if !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s after %s is %v, want %v", q.Expression, q.At, got, want))
		}
	}
	return wrong
}

func loadRules(t *testing.T, suite *promqltest.LazyLoader) map[string]*rules.Group {
	t.Helper()
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:    rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()),
		AppendableV2: suite.Storage(), Context: t.Context(), Parser: language,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: slog.New(slog.DiscardHandler),
	})
	groups, errs := manager.LoadGroups(
		time.Minute, labels.EmptyLabels(), "", nil, false, filepath.Join(root, rulesFile),
	)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, group := range groups {
		for _, rule := range group.Rules() {
			rule.(*rules.AlertingRule).SetRestored(true) // otherwise it writes no ALERTS
		}
	}
	return groups
}

func (q question) ask(t *testing.T, suite *promqltest.LazyLoader) (samples []string) {
	t.Helper()
	query, err := suite.QueryEngine().NewInstantQuery(
		t.Context(), suite.Storage(), nil, q.Expression, time.Unix(0, 0).Add(time.Duration(q.At)),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range vector {
		samples = append(samples, fmt.Sprint(sample.Metric, sample.F))
	}
	slices.Sort(samples)
	return samples
}

func (q question) want(t *testing.T) (samples []string) {
	t.Helper()
	for _, sample := range q.Samples {
		metric, err := language.ParseMetric(sample.Labels)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, fmt.Sprint(metric, sample.Value))
	}
	slices.Sort(samples)
	return samples
}

// TestEveryAlert: each alert fires in one scenario and stays quiet in a healthy one that has all its series.
// Its runbook_url is a heading of the runbook, and each heading there is an alert.
func TestEveryAlert(t *testing.T) {
	file := scenarios(t)
	fired := map[string]bool{}
	for _, s := range file.Tests {
		for _, q := range s.Questions {
			for _, sample := range q.Samples {
				metric, _ := language.ParseMetric(sample.Labels)
				fired[metric.Get("alertname")] = true
			}
		}
	}
	healthy := map[string]bool{}
	for _, series := range file.Tests[0].Series {
		metric, _ := language.ParseMetric(series.Series)
		healthy[metric.Get("__name__")] = true
	}
	headings := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^## (Kasse\w+)$`).FindAllStringSubmatch(
		string(read(t, "docs/runbook.md")), -1,
	) {
		headings["docs/runbook.md#"+strings.ToLower(match[1])] = true
	}
	for _, alert := range alerts(t) {
		if !fired[alert.Alert] {
			t.Errorf("%s fires in no scenario", alert.Alert)
		}
		for _, selector := range parse(t, alert.Expr).selectors {
			if !healthy[selector.Name] {
				t.Errorf("the healthy scenario has no %s, which %s uses", selector.Name, alert.Alert)
			}
		}
		url := alert.Annotations["runbook_url"]
		if !strings.HasSuffix(url, "#"+strings.ToLower(alert.Alert)) || !headings[url] {
			t.Errorf("the runbook_url of %s is %q", alert.Alert, url)
		}
		delete(headings, url)
		severity := alert.Labels["severity"]
		if alert.Annotations["summary"] == "" || severity != "page" && severity != "ticket" {
			t.Errorf("%s needs a summary and a severity: %v, %v", alert.Alert, alert.Labels, alert.Annotations)
		}
	}
	if len(headings) > 0 {
		t.Errorf("no alert has the runbook_url %v", headings)
	}
}
