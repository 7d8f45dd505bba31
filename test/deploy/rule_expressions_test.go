package deploy_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// parsed holds the metrics and labels of an expression.
type parsed struct {
	selectors []*parser.VectorSelector
	grouping  []string
}

func parse(t *testing.T, expression string) (p parsed) {
	t.Helper()
	expression = strings.ReplaceAll(expression, "$__rate_interval", "5m") // Grafana's variable
	tree, err := language.ParseExpr(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			p.selectors = append(p.selectors, n)
		case *parser.AggregateExpr:
			p.grouping = append(p.grouping, n.Grouping...)
		}
		return nil
	})
	return p
}

// exported returns the labels of each documented series. Another test compares the document with the program.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	series := map[string][]string{}
	for _, row := range regexp.MustCompile(
		"(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.*?) \\|",
	).FindAllStringSubmatch(string(read(t, "docs/metrics.md")), -1) {
		name, names := row[1], strings.Split(row[3], ", ")
		if row[2] != "histogram" {
			series[name] = names
			continue
		}
		series[name+"_count"], series[name+"_sum"], series[name+"_bucket"] = names, names, append(names, "le")
	}
	if len(series) < 30 {
		t.Fatalf("only %d series are known", len(series))
	}
	return series
}

// faults returns the names of an expression that no server exports, and its series that other programs export, too.
func faults(t *testing.T, series map[string][]string, expression string) (found []string) {
	t.Helper()
	p := parse(t, expression)
	known := []string{"job", "instance"} // Prometheus's own
	for _, selector := range p.selectors {
		names, is := series[selector.Name]
		if !is {
			found = append(found, "no metric "+selector.Name)
		}
		known = append(known, names...)
		ours := strings.HasPrefix(selector.Name, "kasse_")
		for _, matcher := range selector.LabelMatchers {
			ours = ours || matcher.String() == `job="kasse"`
			if name := matcher.Name; name != "__name__" && name != "job" && !slices.Contains(names, name) {
				found = append(found, selector.Name+" has no label "+name)
			}
		}
		if !ours {
			found = append(found, selector.Name+" may be another program's: job=\"kasse\" is missing")
		}
	}
	for _, name := range p.grouping {
		if !slices.Contains(known, name) {
			found = append(found, "no metric has a label "+name)
		}
	}
	return found
}

// TestExpressions: every metric and label that an alert or the dashboard names is exported.
func TestExpressions(t *testing.T) {
	series, expressions := exported(t), map[string]string{}
	for _, alert := range alerts(t) {
		expressions[alert.Alert] = alert.Expr
	}
	var board struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(read(t, dashboard), &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for i, target := range panel.Targets {
			expressions[fmt.Sprintf("panel %q, %d", panel.Title, i)] = target.Expr
		}
	}
	if len(expressions) < 30 {
		t.Fatalf("only %d expressions were found", len(expressions))
	}
	for where, expression := range expressions {
		for _, fault := range faults(t, series, expression) {
			t.Errorf("%s: %s", where, fault)
		}
	}
	for _, bad := range []string{
		`kasse_invented_total`, `kasse_waiters{endpoint="a"}`, `sum by (order) (kasse_waiters)`, `build_info`,
		`kasse_webhook_lag_seconds`,
	} {
		if len(faults(t, series, bad)) == 0 {
			t.Errorf("no fault is found in %s", bad)
		}
	}
}
