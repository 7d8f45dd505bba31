// Command alerts injects one fault after the other into a running Kasse and checks that a real Prometheus raises
// the alert.
//
// Each fault gets its own Kasse, redis-server, simulated Stripe, Prometheus, Alertmanager and receiver, on
// loopback. Prometheus loads deploy/prometheus/kasse.rules.yaml with shorter times (see rules.go). The
// fault's alert must be quiet before the fault and arrive at the receiver after it. The program fails if a
// rule has no fault. One more round puts load on a healthy Kasse and runs every query of
// deploy/grafana/kasse.json against its Prometheus. Each query must return data.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"kasse/test/internal/testenv"
)

func main() { testenv.Main(run) }

// programs are the files that a round starts or loads.
type programs struct {
	kasse, stamped           string // the same Kasse, built from a commit, so that its build_info differs
	prometheus, alertmanager string
	rules                    string // the rules with shortened times
}

// round tests one fault, or the dashboard.
type round struct {
	name string
	play func(ctx context.Context, dir string, p programs) (outcome, error)
}

// outcome is one line of the table.
type outcome struct {
	alert, fault string
	took         time.Duration // time from the fault to the arrival of its alert
	others       []string      // other alerts that arrived
	note         string        // printed in place of others
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("alerts", flag.ContinueOnError)
	only := flags.String("only", "", "regular expression for the alerts; dashboard is the round of the queries")
	parallel := flags.Int("parallel", 3, "rounds at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	named, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		return fmt.Errorf("run it in the repository's root: %w", err)
	}
	if err := covered(alertNames(string(text)), faults); err != nil {
		return err
	}
	var rounds []round
	for _, f := range faults {
		rounds = append(rounds, round{f.alert, f.run})
	}
	rounds = append(rounds, round{"dashboard", runDashboard})
	rounds = slices.DeleteFunc(rounds, func(r round) bool { return !named.MatchString(r.name) })
	if len(rounds) == 0 {
		return fmt.Errorf("-only %q matches no alert of %s, and not dashboard", *only, rulesFile)
	}
	return testenv.InDir(ctx, "alerts", func(dir string) error {
		p, err := prepare(ctx, dir, shorten(string(text)))
		if err != nil {
			return err
		}
		return runAll(ctx, dir, p, rounds, *parallel, out)
	})
}

// covered returns an error if a rule has no fault, or a fault has no rule.
func covered(alerts []string, faults []fault) error {
	var wrong []error
	for _, alert := range alerts {
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.alert == alert }) {
			wrong = append(wrong, fmt.Errorf("no fault of test/alerts/faults.go makes the rule %s fire", alert))
		}
	}
	for _, f := range faults {
		if !slices.Contains(alerts, f.alert) {
			wrong = append(
				wrong, fmt.Errorf("the fault %q is for %s, which is no rule of %s", f.what, f.alert, rulesFile),
			)
		}
	}
	return errors.Join(wrong...)
}

// prepare finds Prometheus and Alertmanager, builds Kasse twice, and writes the rules.
func prepare(ctx context.Context, dir, rules string) (p programs, err error) {
	missing := []string{}
	for _, want := range []struct {
		path  *string
		names []string // Debian renames Alertmanager's program
		pkg   string
	}{
		{&p.prometheus, []string{"prometheus"}, "prometheus"},
		{&p.alertmanager, []string{"alertmanager", "prometheus-alertmanager"}, "prometheus-alertmanager"},
	} {
		for _, name := range want.names {
			if found, err := exec.LookPath(name); err == nil {
				*want.path = found
			}
		}
		if *want.path == "" {
			missing = append(missing, want.pkg)
		}
	}
	if len(missing) > 0 {
		return p, fmt.Errorf(
			"missing: %s. On Debian: apt-get install --no-install-recommends %[1]s", strings.Join(missing, " "),
		)
	}
	if p.kasse, err = testenv.Build(ctx, dir); err != nil {
		return p, err
	}
	if p.stamped, err = buildStamped(ctx, dir); err != nil {
		return p, err
	}
	p.rules = filepath.Join(dir, "rules.yaml")
	return p, os.WriteFile(p.rules, []byte(rules), 0o600)
}

// buildStamped builds Kasse in a clean clone, so that Go stamps the commit into it. Its build_info differs
// from that of the other build.
func buildStamped(ctx context.Context, dir string) (string, error) {
	clone, program := filepath.Join(dir, "clone"), filepath.Join(dir, "kasse-stamped")
	for _, command := range [][]string{
		{"git", "clone", "--quiet", "--no-hardlinks", ".", clone},
		{"go", "build", "-C", clone, "-buildvcs=true", "-o", program, "./cmd/kasse"},
	} {
		if printed, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, printed)
		}
	}
	return program, nil
}

// runAll runs the rounds, several in parallel, and prints a line when one ends.
func runAll(ctx context.Context, dir string, p programs, rounds []round, parallel int, out io.Writer) error {
	var (
		mu     sync.Mutex
		wrong  []error
		all    sync.WaitGroup
		places = make(chan struct{}, max(parallel, 1))
	)
	fmt.Fprintf(out, "| %-22s | %-52s | %9s | %s\n", "alert", "fault", "after", "also fired")
	for i, r := range rounds {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			o, err := r.play(ctx, filepath.Join(dir, fmt.Sprintf("round-%d", i)), p)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s, %s: %w", r.name, o.fault, err))
				fmt.Fprintf(out, "| %-22s | %-52s | FAILED: %v\n", r.name, o.fault, err)
				return
			}
			beside := cmp.Or(o.note, strings.Join(o.others, " "), "none")
			fmt.Fprintf(out, "| %-22s | %-52s | %7.1f s | %s\n", r.name, o.fault, o.took.Seconds(), beside)
		})
	}
	all.Wait()
	return errors.Join(wrong...)
}
