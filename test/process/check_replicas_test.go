package process_test

import (
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
)

// TestCheckOfReplicas: kasse check reports what a failover can lose with each REDIS_WAIT_REPLICAS.
// The Redis is a master with two replicas, behind sentinels.
func TestCheckOfReplicas(t *testing.T) {
	t.Parallel()
	nodes := storetest.NewNodes(t)
	w := newEnvOn(t, nodes.All[0], stripesim.Options{Webhooks: []stripesim.Webhook{validWebhook}})
	for replicas, want := range map[string]struct {
		code int
		line string
	}{
		"0": {
			0,
			"warning  redis: … 2 replicas, but REDIS_WAIT_REPLICAS is 0 … the promoted replica had not received … " +
				"REDIS_WAIT_REPLICAS=2 loses no acknowledged write",
		},
		"1": {
			0,
			"warning  redis: … 2 replicas, and REDIS_WAIT_REPLICAS is 1 … may promote a replica that did not " +
				"confirm … within five minutes … REDIS_WAIT_REPLICAS=2 loses none",
		},
		"2": {
			0,
			"ok       redis: … as many replicas as REDIS_WAIT_REPLICAS, 2 … no failover loses … While one " +
				"replica is unavailable, nothing is acknowledged",
		},
		"3": {1, "wrong    redis: … 2 replicas, but REDIS_WAIT_REPLICAS is 3: nothing will be acknowledged"},
	} {
		code, found := w.checked(map[string]string{
			"REDIS_MODE": "sentinel", "REDIS_URL": nodes.URL(), "REDIS_WAIT_REPLICAS": replicas,
		})
		expect(t, "exit code with REDIS_WAIT_REPLICAS="+replicas, code, want.code)
		expectLines(t, found, want.line)
	}
	nodes.All[1].Kill() // its master no longer lists it
	code, found := w.checked(map[string]string{
		"REDIS_MODE": "sentinel", "REDIS_URL": nodes.URL(), "REDIS_WAIT_REPLICAS": "1",
	})
	expect(t, "exit code with a stopped replica", code, 0)
	expectLines(t, found,
		"warning  redis: … 2 replicas, of which 1 cannot confirm now",
		"warning  redis: … 2 replicas, and REDIS_WAIT_REPLICAS is 1 … may promote a replica that did not confirm")
	code, found = w.checked(map[string]string{
		"REDIS_MODE": "sentinel", "REDIS_URL": nodes.URL(), "REDIS_WAIT_REPLICAS": "2",
	})
	expect(t, "exit code with a stopped replica, and two that must confirm", code, 1)
	expectLines(t, found, "wrong    redis: … 1 replica in sync, but REDIS_WAIT_REPLICAS is 2: nothing is acknowledged")
}
