package store

import (
	"testing"

	"kasse/service/push"
)

// TestCallsOfAPartitionAreJoined: the claims of many endpoints become a few calls for each partition. The calls that
// record results come first.
func TestCallsOfAPartitionAreJoined(t *testing.T) {
	s := &Store{Options: Options{Partitions: 4}}
	var groups []*callGroup
	for range 2*callEndpoints + 1 {
		var claims []pushCall
		for n := range s.Partitions {
			keys := s.pushPartition(n).push(push.EndpointID("e"))
			claims = append(claims, pushCall{n, []string{keys.share, keys.retries}, []any{keys.group}})
		}
		finishes := []pushCall{{1, []string{"retries", "log"}, []any{"group", 0, 0, 0}}}
		groups = append(groups,
			&callGroup{kind: callClaim, calls: claims}, &callGroup{kind: callFinish, calls: finishes})
	}
	calls := s.joinCalls(groups)
	if want := 3 + 3*s.Partitions; len(calls) != want {
		t.Fatalf("%d calls, want %d", len(calls), want)
	}
	for i, c := range calls {
		if (c.kind == callFinish) != (i < 3) || len(c.replies) > callEndpoints || len(c.keys) != 2+2*len(c.replies) {
			t.Errorf("call %d: %+v", i, c)
		}
		if first := s.pushPartition(c.partition).events(); c.keys[0] != first {
			t.Errorf("call %d has the stream %s, want %s", i, c.keys[0], first)
		}
	}
}
