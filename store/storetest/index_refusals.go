package storetest

import (
	"errors"
	"strings"
	"testing"

	"kasse/service/payment"
)

func (connect connector) indexRefuses(t *testing.T) {
	f := fresh(t, connect)
	f.index(t, indexed{"o_1", 1_764_288_000_000, "", payment.Paid})
	for _, bad := range []string{"x", "AAAA", "latest", strings.Repeat("A", 100)} {
		_, err := f.ListOrders(t.Context(), payment.OrderQuery{Limit: 10, After: bad})
		hasCode(t, err, payment.CodeInvalidRequest)
	}
	Must(t, f.client.Del(t.Context(), "kasse:{p5}:meta").Err())
	_, err := f.ListOrders(t.Context(), payment.OrderQuery{Limit: 10})
	hasCode(t, err, payment.CodeStoreUnavailable)
	if _, err := f.PruneIndex(t.Context()); err == nil || errors.Is(err, payment.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
