package process_test

import (
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// keepsWrites are arguments of a redis-server that loses no acknowledged write.
var keepsWrites = []string{"--appendonly", "yes", "--appendfsync", "always"}

// TestDurabilityAtTheStart: the start logs the durability class of Redis. With
// REDIS_DURABILITY=require the server refuses a Redis that may lose acknowledged writes.
func TestDurabilityAtTheStart(t *testing.T) {
	t.Parallel()
	noFile := newEnv(t, stripesim.Options{})
	noFile.mustRefuse(map[string]string{"REDIS_DURABILITY": "require"}, "REDIS_DURABILITY is require", "appendonly yes")
	durable := newEnv(t, stripesim.Options{}, keepsWrites...)
	noConfig := newEnv(t, stripesim.Options{}, append(keepsWrites, "--rename-command", "CONFIG", "")...)
	noConfig.mustRefuse(map[string]string{"REDIS_DURABILITY": "require"}, "CONFIG is refused")
	const mayLose = "Redis may lose acknowledged writes"
	for name, test := range map[string]struct {
		env        *processEnv
		durability string
		want       []string // in the log
		not        string   // in the log; empty: no such text
	}{
		"no append-only file":   {noFile, "warn", []string{`"class":"none"`, "appendonly yes", mayLose}, ""},
		"no check":              {noFile, "off", nil, `"class"`},
		"every write is stored": {durable, "require", []string{`"class":"every write"`}, mayLose},
		"CONFIG is refused":     {noConfig, "warn", []string{`"class":"unknown"`, "CONFIG is refused"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := test.env.forSubtest(t).serve(1, map[string]string{"REDIS_DURABILITY": test.durability})[0]
			wait.UntilTrue(t, "the log line about readiness", func() bool {
				return strings.Contains(p.stderr.String(), `"ready"`)
			})
			log := p.stderr.String()
			expectContains(t, log, test.want...)
			if test.not != "" && strings.Contains(log, test.not) {
				t.Errorf("the log contains %q: %s", test.not, log)
			}
		})
	}
}
