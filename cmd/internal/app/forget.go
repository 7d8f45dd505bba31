package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kasse/service/payment"
)

// Forget removes the personal data of a finished order. Servers may run meanwhile.
func (a *App) Forget(ctx context.Context, order string, out io.Writer) error {
	id := payment.OrderID(order)
	if !id.Valid() {
		return fmt.Errorf("%q is not an order id", order)
	}
	if _, err := a.store.Check(ctx, a.identity()); err != nil {
		return a.explain(err)
	}
	done, err := a.service.Forget(ctx, id)
	if refused, ok := errors.AsType[*payment.Error](err); ok && refused.Cause == nil && refused.Detail != "" {
		return errors.New(refused.Detail)
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	_, err = fmt.Fprintf(out, "Done: Redis has no personal data of order %s. Changed: %s. Written again: %s.\n",
		id, quantity(done.Payments, "payment"), quantity(done.Events, "event"))
	return err
}
