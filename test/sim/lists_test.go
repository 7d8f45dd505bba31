package sim_test

import (
	"context"
	"time"

	"kasse/service"
)

// What follows is not simulated: Stripe lists nothing, so that only webhooks and the sweep tell what became of a payment,
// and no page asks for one that is not here. It answers at once.

func (r *replica) LoadCatchUp(context.Context) (done, now time.Time, err error) {
	return time.Time{}, r.world.redis.now(), nil
}

func (r *replica) SaveCatchUp(context.Context, time.Time) error { return nil }

func (r *replica) WantRestore(context.Context, service.PaymentID) error { return nil }

func (r *replica) TakeRestores(context.Context, int, time.Duration) ([]service.PaymentID, error) {
	return nil, nil
}

func (r *replica) DropRestore(context.Context, service.PaymentID) error { return nil }

func (r *replica) ListEvents(context.Context, time.Time, string) (service.Page[service.Notice], error) {
	return service.Page[service.Notice]{}, nil
}

func (r *replica) ListSuccesses(context.Context, time.Time, string) (service.Page[service.Notice], error) {
	return service.Page[service.Notice]{}, nil
}

func (r *replica) ListRefunds(context.Context, time.Time, string) (service.Page[service.GivenBack], error) {
	return service.Page[service.GivenBack]{}, nil
}

func (r *replica) ListDisputes(context.Context, time.Time, string) (service.Page[service.GivenBack], error) {
	return service.Page[service.GivenBack]{}, nil
}

func (r *replica) ListPayments(context.Context, time.Time, string) (service.Page[service.Listed], error) {
	return service.Page[service.Listed]{}, nil
}

// NoteClosed changes nothing that anybody is shown.
func (r *replica) NoteClosed(ctx context.Context, id service.PaymentID, why service.Closure) error {
	_, err := toStripe(ctx, r, "NoteClosed", string(id)+" "+string(why), func() (any, error) { return nil, nil })
	return err
}
