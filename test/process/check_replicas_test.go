package process_test

import (
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
)

// TestCheckOfReplicas: kasse check says what a number of replicas that confirm protects from, behind sentinels over
// a master and two replicas.
func TestCheckOfReplicas(t *testing.T) {
	t.Parallel()
	nodes := storetest.NewNodes(t)
	w := newEnvOn(t, nodes.All[0], stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}})
	for replicas, want := range map[string]struct {
		code int
		says string
	}{
		"0": {
			0,
			"warning  redis: … 2 replicas and REDIS_WAIT_REPLICAS is 0 … loses what the promoted one had not received … REDIS_WAIT_REPLICAS=2 loses nothing",
		},
		"1": {
			0,
			"warning  redis: … 2 replicas and 1 must confirm … may promote one that did not confirm … within five minutes … REDIS_WAIT_REPLICAS=2 loses nothing",
		},
		"2": {
			0,
			"ok       redis: … as many replicas as REDIS_WAIT_REPLICAS, 2 … no failover loses … once one is away nothing is acknowledged",
		},
		"3": {1, "wrong    redis: … 2 replicas and REDIS_WAIT_REPLICAS is 3: nothing will be acknowledged"},
	} {
		code, found := w.checked(
			map[string]string{"REDIS_MODE": "sentinel", "REDIS_URL": nodes.URL(), "REDIS_WAIT_REPLICAS": replicas},
		)
		expect(t, "exit code with "+replicas, code, want.code)
		lines(t, found, want.says)
	}
}
