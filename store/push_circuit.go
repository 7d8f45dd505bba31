package store

import (
	"context"
	"time"

	"kasse/service/push"
)

var pushCircuitScript = script("push_circuit")

// OpenCircuit opens an endpoint's circuit. It reports whether that was a change, and returns the
// pause until the next probe.
func (s *Store) OpenCircuit(
	ctx context.Context, e push.EndpointID, p push.Pauses, notBefore time.Duration,
) (opened bool, next time.Duration, err error) {
	return s.changeCircuit(ctx, e, "open", p.Min.Milliseconds(), p.Max.Milliseconds(), notBefore.Milliseconds())
}

// CloseCircuit closes an endpoint's circuit and reports whether that was a change.
func (s *Store) CloseCircuit(ctx context.Context, e push.EndpointID) (bool, error) {
	closed, _, err := s.changeCircuit(ctx, e, "close")
	return closed, err
}

// ClaimProbe reports whether the caller may make the probe that is due. It returns the pause until
// the next one.
func (s *Store) ClaimProbe(ctx context.Context, e push.EndpointID, within time.Duration) (
	taken bool, next time.Duration, err error,
) {
	return s.changeCircuit(ctx, e, "claim", within.Milliseconds())
}

// DelayProbe sets the next probe after one that failed, and returns the pause until then.
func (s *Store) DelayProbe(ctx context.Context, e push.EndpointID, p push.Pauses, notBefore time.Duration) (
	next time.Duration, err error,
) {
	_, next, err = s.changeCircuit(
		ctx, e, "delay", p.Min.Milliseconds(), p.Max.Milliseconds(), notBefore.Milliseconds(),
	)
	return next, err
}

// changeCircuit changes the circuit, which is kept in partition 0.
func (s *Store) changeCircuit(ctx context.Context, e push.EndpointID, args ...any) (
	changed bool, next time.Duration, err error,
) {
	part := s.pushPartition(0)
	reply, err := pushCircuitScript.Run(ctx, s.redis, []string{part.meta(), part.push(e).share}, args...).Int64Slice()
	if err != nil || len(reply) < 2 {
		return false, 0, unavailable(err)
	}
	return reply[0] == 1, time.Duration(reply[1]) * time.Millisecond, nil
}
