package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// writeTargets writes the file with the addresses that Prometheus scrapes.
func (env *environment) writeTargets() error {
	addresses := []string{}
	for _, k := range env.kasse {
		addresses = append(addresses, k.Admin)
	}
	text, err := json.Marshal([]map[string]any{{"targets": addresses}})
	if err != nil {
		return err
	}
	fresh := filepath.Join(env.Dir, "targets.new")
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(env.Dir, "targets.json"))
}

var listening = regexp.MustCompile(`msg="Listening on" address=([0-9.]+:[0-9]+)`)

// startPrometheus starts Prometheus and an Alertmanager that notifies the receiver.
func (env *environment) startPrometheus(ctx context.Context, pager string) (err error) {
	env.manager, err = env.startProgram(ctx, env.programs.alertmanager, map[string]any{
		"route": map[string]any{
			"receiver": "pager", "group_by": []string{"alertname"}, "group_wait": "100ms", "group_interval": "1s",
		},
		"receivers": []map[string]any{{"name": "pager", "webhook_configs": []map[string]any{{"url": pager}}}},
	}, "--cluster.listen-address=", "--storage.path="+filepath.Join(env.Dir, "alertmanager"))
	if err != nil {
		return err
	}
	env.prometheus, err = env.startProgram(ctx, env.programs.prometheus, map[string]any{
		"global":     map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files": []string{filepath.Join(env.Dir, "rules-*.yaml")}, // loadRules writes them later
		"scrape_configs": []map[string]any{{
			"job_name": "kasse", "file_sd_configs": []map[string]any{
				{"files": []string{filepath.Join(env.Dir, "targets.json")}, "refresh_interval": "1s"},
			},
		}},
		"alerting": map[string]any{"alertmanagers": []map[string]any{
			{"static_configs": []map[string]any{{"targets": []string{env.manager[len("http://"):]}}}},
		}},
	}, "--storage.tsdb.path="+filepath.Join(env.Dir, "prometheus"), "--rules.alert.resend-delay=1s")
	all := env.Processes()
	env.prometheusProcess = all[len(all)-1]
	return err
}

// quiet is how long the rules are evaluated, once a second, before the fault.
const quiet = 5 * time.Second

// loadRules gives Prometheus the rules once it scrapes Kasse, and waits until they have been evaluated for
// the quiet period.
func (env *environment) loadRules(ctx context.Context) error {
	text, err := os.ReadFile(env.programs.rules)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.Dir, "rules-kasse.yaml"), text, 0o600); err != nil {
		return err
	}
	env.prometheusProcess.Signal(syscall.SIGHUP)
	want := len(alertNames(string(text)))
	err = wait.For(ctx, func() error {
		loaded, err := env.rules(ctx)
		if err == nil && loaded != want {
			err = fmt.Errorf("%d of %d rules were evaluated", loaded, want)
		}
		return err
	})
	if err == nil && !wait.Pause(ctx, quiet) {
		err = ctx.Err()
	}
	return err
}

// startProgram starts Prometheus or Alertmanager with its configuration and returns its URL. The
// configuration is JSON, which is valid YAML.
func (env *environment) startProgram(
	ctx context.Context, program string, config map[string]any, args ...string,
) (string, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	file := filepath.Join(env.Dir, filepath.Base(program)+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	process, err := env.Start(program, nil, append(
		args, "--config.file="+file, "--web.listen-address=127.0.0.1:0",
	)...)
	if err != nil {
		return "", err
	}
	found, err := process.AwaitLine(ctx, listening)
	if err != nil {
		return "", err
	}
	url := "http://" + found[1]
	return url, wait.For(ctx, func() error {
		a, err := testenv.Call(ctx, env.Client, http.MethodGet, url+"/-/ready", nil, "")
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%s is not ready: %d", program, a.Status)
		}
		return err
	})
}
