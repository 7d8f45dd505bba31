package store_test

import (
	"context"
	"maps"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
)

// calls returns all methods of the store that send a command to Redis.
func calls(s *store.Store) map[string]func(context.Context) error {
	all := orderCalls(s)
	maps.Copy(all, pushCalls(s))
	maps.Copy(all, workCalls(s))
	return all
}

// second and third return a method's error, which is its second or third result.
func second(_ any, err error) error   { return err }
func third(_, _ any, err error) error { return err }

// orderCalls returns the methods that read and write orders, their payments and their events.
func orderCalls(s *store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"LoadOrderEvents": func(ctx context.Context) error {
			return second(s.LoadOrderEvents(ctx, payment.Order{ID: "o-1"}))
		},
		"ListOrders": func(ctx context.Context) error {
			return second(s.ListOrders(ctx, payment.OrderQuery{Limit: 10}))
		},
		"PruneIndex": func(ctx context.Context) error { return second(s.PruneIndex(ctx)) },
		"LoadEvents": func(ctx context.Context) error {
			return second(s.LoadEvents(ctx, payment.FeedQuery{Limit: 10}))
		},
		"LoadHistory": func(ctx context.Context) error {
			return second(s.LoadHistory(ctx, "pi_1"))
		},
		"LoadOrder": func(ctx context.Context) error {
			_, _, err := s.LoadOrder(ctx, payment.Ref{Order: "o-1"})
			return err
		},
		"FindOrder": func(ctx context.Context) error {
			_, _, err := s.FindOrder(ctx, "pi_1")
			return err
		},
		"LoadViews": func(ctx context.Context) error {
			return second(s.LoadViews(ctx, "o-1", []payment.ID{"pi_1"}))
		},
		"SavePointer": func(ctx context.Context) error { return s.SavePointer(ctx, "pi_1", "o-1", time.Unix(1, 0)) },
		"ClaimOrders": func(ctx context.Context) error { return second(s.ClaimOrders(ctx, 10, time.Minute)) },
		"DropOrder":   func(ctx context.Context) error { return s.DropOrder(ctx, "o-1") },
		"LoadView":    func(ctx context.Context) error { return second(s.LoadView(ctx, "pi_1")) },
		"SaveOrder": func(ctx context.Context) error {
			return second(s.SaveOrder(ctx, payment.Order{ID: "o-1"}, payment.Changes{}))
		},
		"ForgetEvents": func(ctx context.Context) error {
			return second(s.ForgetEvents(ctx, payment.Order{ID: "o-1", Forgotten: 1}))
		},
	}
}

// pushCalls returns the methods that deliver events.
func pushCalls(s *store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"LoadDeliveries": func(ctx context.Context) error {
			return second(s.LoadDeliveries(ctx, "e", "o-1", nil))
		},
		"DisablePushes": func(ctx context.Context) error {
			return second(s.DisablePushes(ctx, "e", push.DisabledGone))
		},
		"EnablePushes": func(ctx context.Context) error { return second(s.EnablePushes(ctx, "e")) },
		"FinishPushes": func(ctx context.Context) error { return s.FinishPushes(ctx, "e", []push.Attempt{{}}) },
		"RetryPush": func(ctx context.Context) error {
			return s.RetryPush(ctx, "e", push.Attempt{}, 0, false)
		},
		"OpenCircuit": func(ctx context.Context) error {
			return third(s.OpenCircuit(ctx, "e", push.Pauses{}, 0))
		},
		"CloseCircuit": func(ctx context.Context) error { return second(s.CloseCircuit(ctx, "e")) },
		"ClaimProbe":   func(ctx context.Context) error { return third(s.ClaimProbe(ctx, "e", time.Second)) },
		"DelayProbe": func(ctx context.Context) error {
			return second(s.DelayProbe(ctx, "e", push.Pauses{}, 0))
		},
		"LoadPushLog":        func(ctx context.Context) error { return second(s.LoadPushLog(ctx, "e", 10)) },
		"Redrive":            func(ctx context.Context) error { return second(s.Redrive(ctx, "e", "")) },
		"DeadLetterPush":     func(ctx context.Context) error { return s.DeadLetterPush(ctx, "e", push.Attempt{}) },
		"LoadDeadLetters":    func(ctx context.Context) error { return second(s.LoadDeadLetters(ctx, "e")) },
		"PullRetriesForward": func(ctx context.Context) error { return second(s.PullRetriesForward(ctx, "e")) },
		"RegisterEndpoint":   func(ctx context.Context) error { return s.RegisterEndpoint(ctx, "e") },
		"LoadPushes":         func(ctx context.Context) error { return second(s.LoadPushes(ctx, "e")) },
		"LoadBacklog":        func(ctx context.Context) error { return second(s.LoadBacklog(ctx, 1)) },
		"Replay": func(ctx context.Context) error {
			_, _, _, err := s.Replay(ctx, nil, "", "")
			return err
		},
	}
}

// workCalls returns the methods of the workers: reads, sweeps, passes, leases, limits.
func workCalls(s *store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"AllowRead":     func(ctx context.Context) error { return second(s.AllowRead(ctx, 5)) },
		"AllowLookup":   func(ctx context.Context) error { return second(s.AllowLookup(ctx, 5)) },
		"SetUnknown":    func(ctx context.Context) error { return s.SetUnknown(ctx, "pi_1") },
		"ClockAhead":    func(ctx context.Context) error { return second(s.ClockAhead(ctx)) },
		"IsUnknown":     func(ctx context.Context) error { return second(s.IsUnknown(ctx, "pi_1")) },
		"BeginRebuild":  func(ctx context.Context) error { return second(s.BeginRebuild(ctx, store.Identity{})) },
		"Check":         func(ctx context.Context) error { return second(s.Check(ctx, store.Identity{})) },
		"DropRead":      func(ctx context.Context) error { return s.DropRead(ctx, "pi_1") },
		"DropRestore":   func(ctx context.Context) error { return s.DropRestore(ctx, "pi_1") },
		"FinishRebuild": func(ctx context.Context) error { return s.FinishRebuild(ctx) },
		"ReleaseLease":  func(ctx context.Context) error { return s.ReleaseLease(ctx, "nets", "me") },
		"RequestPass": func(ctx context.Context) error {
			return second(s.RequestPass(ctx, payment.PassRequest{ID: "a"}))
		},
		"WithdrawPass": func(ctx context.Context) error { return s.WithdrawPass(ctx, "a") },
		"ClaimPass":    func(ctx context.Context) error { return third(s.ClaimPass(ctx, "a")) },
		"ReportPass": func(ctx context.Context) error {
			return second(s.ReportPass(ctx, "a", "b", true, payment.PassResult{}))
		},
		"LeaseHolder": func(ctx context.Context) error { return second(s.LeaseHolder(ctx, "nets")) },
		"LoadCatchUp": func(ctx context.Context) error {
			_, _, err := s.LoadCatchUp(ctx)
			return err
		},
		"QueueRead":     func(ctx context.Context) error { return second(s.QueueRead(ctx, "pi_1")) },
		"Discard":       func(ctx context.Context) error { return second(s.Discard(ctx)) },
		"SaveRetention": func(ctx context.Context) error { return second(s.SaveRetention(ctx)) },
		"FinishRead":    func(ctx context.Context) error { return s.FinishRead(ctx, "pi_1", "o-1", false) },
		"Mark":          func(ctx context.Context) error { return s.Mark(ctx, store.Identity{}) },
		"Ping":          s.Ping,
		"Quarantine":    func(ctx context.Context) error { return s.Quarantine(ctx, payment.StripeEvent{}, nil) },
		"ReadsWithin":   func(ctx context.Context) error { return second(s.ReadsWithin(ctx, time.Minute)) },
		"ReadsDue":      func(ctx context.Context) error { return second(s.ReadsDue(ctx)) },
		"SetAccount":    func(ctx context.Context) error { return s.SetAccount(ctx, "acct_1") },
		"SaveCatchUp": func(ctx context.Context) error {
			return s.SaveCatchUp(ctx, payment.CatchUp{Now: time.Unix(1, 0)})
		},
		"BeginCatchUp": func(ctx context.Context) error { return second(s.BeginCatchUp(ctx)) },
		"PadReads":     func(ctx context.Context) error { return s.PadReads(ctx, "pi_1", 0) },
		"UseQuota": func(ctx context.Context) error {
			_, _, err := s.UseQuota(ctx, "service:shop", 5, time.Second)
			return err
		},
		"AcquireLease": func(ctx context.Context) error {
			return second(s.AcquireLease(ctx, "nets", "me", time.Second))
		},
		"ClaimReads":    func(ctx context.Context) error { return second(s.ClaimReads(ctx, 10, time.Minute)) },
		"ClaimRestores": func(ctx context.Context) error { return second(s.ClaimRestores(ctx, true, 10, time.Minute)) },
		"ClaimSweeps":   func(ctx context.Context) error { return second(s.ClaimSweeps(ctx, 10, time.Minute)) },
		"QueueRestore":  func(ctx context.Context) error { return s.QueueRestore(ctx, "pi_1", "address", false) },
	}
}
