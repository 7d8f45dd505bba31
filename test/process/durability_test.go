package process_test

import (
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// keepsWrites is how a Redis is started that loses nothing it acknowledged.
var keepsWrites = []string{"--appendonly", "yes", "--appendfsync", "always"}

// The start reports what Redis keeps. With REDIS_DURABILITY=require a Redis that may lose something is refused.
func TestDurabilityAtTheStart(t *testing.T) {
	t.Parallel()
	careless := newEnv(t, stripesim.Options{})
	careless.refuses(map[string]string{"REDIS_DURABILITY": "require"}, "REDIS_DURABILITY is require", "appendonly yes")
	careful := newEnv(t, stripesim.Options{}, keepsWrites...)
	mute := newEnv(t, stripesim.Options{}, append(keepsWrites, "--rename-command", "CONFIG", "")...)
	mute.refuses(map[string]string{"REDIS_DURABILITY": "require"}, "CONFIG is refused")
	for name, test := range map[string]struct {
		env        *processEnv
		durability string
		says       []string // in the log
		not        string
	}{
		"a careless Redis":               {careless, "warn", []string{`"class":"none"`, "appendonly yes"}, ""},
		"a careless Redis, and no words": {careless, "off", nil, `"class"`},
		"a careful Redis":                {careful, "require", []string{`"class":"every write"`}, "may lose what"},
		"a Redis that does not say":      {mute, "warn", []string{`"class":"unknown"`, "CONFIG is refused"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := test.env.in(t).serve(1, map[string]string{"REDIS_DURABILITY": test.durability})[0]
			wait.Until(t, "the line of the start", func() error {
				return yet(strings.Contains(p.stderr.String(), `"ready"`))
			})
			log := p.stderr.String()
			for _, words := range test.says {
				if !strings.Contains(log, words) {
					t.Errorf("the log does not say %s", words)
				}
			}
			if test.not != "" && strings.Contains(log, test.not) {
				t.Errorf("the log says %s", test.not)
			}
		})
	}
}
