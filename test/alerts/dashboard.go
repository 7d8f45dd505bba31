package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// queries are the expressions of the dashboard, with the variable that Grafana fills in.
func queries() (all []string, err error) {
	text, err := os.ReadFile(boardFile)
	if err != nil {
		return nil, err
	}
	var board struct {
		Panels []struct {
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return nil, err
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			all = append(all, strings.ReplaceAll(target.Expr, "$__rate_interval", "1m"))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the dashboard has no queries")
	}
	return all, nil
}

// runDashboard puts load on Kasse, causes an error of each kind, and runs each query of the dashboard. Each query must
// return a number.
func runDashboard(ctx context.Context, dir string, p programs) (outcome, error) {
	o := outcome{alert: "dashboard", fault: "none: each query of the dashboard returns data"}
	all, err := queries()
	if err != nil {
		return o, err
	}
	env, err := newEnvironment(ctx, dir, p, fault{})
	if err != nil {
		return o, err
	}
	defer env.Close()
	stop := env.load(ctx)
	defer stop()
	if err := env.awaitScrapes(ctx); err != nil {
		return o, err
	}
	began := time.Now()
	if err := env.causeErrors(ctx); err != nil {
		return o, err
	}
	for _, expression := range all {
		if err := wait.For(ctx, func() error { return env.returnsData(ctx, expression) }); err != nil {
			return o, err
		}
	}
	o.took, o.note = time.Since(began), fmt.Sprintf("%d queries return data", len(all))
	return o, nil
}

// causeErrors makes Stripe refuse five calls and sign its events also with a wrong secret. It stops redis-server until
// Kasse has counted an error.
func (env *environment) causeErrors(ctx context.Context) error {
	env.Stripe.Sim.AddWebhook(stripesim.Webhook{URL: env.webhookURL, Secret: "whsec_of_another_endpoint_1234567890"})
	if err := env.Stripe.Sim.AddFault(stripesim.Fault{Kind: stripesim.RateLimited, Times: 5}); err != nil {
		return err
	}
	env.Redis.Process.Signal(syscall.SIGSTOP)
	defer env.Redis.Process.Signal(syscall.SIGCONT)
	return wait.For(ctx, func() error {
		a, err := testenv.Call(ctx, env.Client, http.MethodGet, "http://"+env.kasse[0].Admin+"/metrics", nil, "")
		if err == nil && !strings.Contains(string(a.Body), "kasse_redis_errors_total{") {
			err = errors.New("no error of Redis is counted while it hangs")
		}
		return err
	})
}

// returnsData fails unless an expression has a series whose value is a number.
func (env *environment) returnsData(ctx context.Context, expression string) error {
	found, err := env.query(ctx, expression)
	if err != nil {
		return fmt.Errorf("%s: %w", expression, err)
	}
	for _, s := range found {
		if value, _ := s.Value[1].(string); value != "NaN" && value != "" {
			return nil
		}
	}
	return fmt.Errorf("%s returns no number: %v", expression, found)
}
