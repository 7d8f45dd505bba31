package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var loadIndexSource = scriptSource("load_index")

// mostListed bounds how many orders one page examines. A page for a rare state may be empty.
const mostListed = 1_000

// listedAtOnce is how many orders are examined in one round trip if a page filters orders.
const listedAtOnce = 250

// ListOrders returns a page of orders, newest first. It reads entries of the index from all
// partitions, and of each order its head. Entries of expired orders are left out.
func (s *Store) ListOrders(ctx context.Context, q payment.OrderQuery) (page payment.OrderPage, err error) {
	at, known := parseOrderCursor(q.After)
	if !known {
		return page, &payment.Error{
			Code: payment.CodeInvalidRequest, Detail: "The cursor is not valid.",
			Fields: []payment.FieldError{{Parameter: "after", Detail: "must be the cursor of an earlier page"}},
		}
	}
	batch := q.Limit
	if q.State != "" {
		batch = max(q.Limit, listedAtOnce)
	}
	for looked := 0; looked < mostListed; {
		found, more, err := s.loadIndex(ctx, q, at, batch)
		if err != nil {
			return page, err
		}
		orders, err := s.loadListed(ctx, q, found)
		if err != nil {
			return page, err
		}
		for i, o := range orders {
			at = found[i]
			looked++
			if o != nil {
				page.Orders = append(page.Orders, *o)
			}
			if len(page.Orders) == q.Limit {
				more = more || i+1 < len(found)
				break
			}
		}
		if page.Next = ""; more {
			page.Next = at.cursor()
		}
		if !more || len(page.Orders) == q.Limit {
			break
		}
	}
	return page, s.loadListedViews(ctx, q, &page)
}

// latestCreation is later than any order, in Unix milliseconds: the greatest whole number that Lua holds.
const latestCreation = "9007199254740991"

// loadIndex returns the next entries of the index behind one, and whether there are more.
func (s *Store) loadIndex(
	ctx context.Context, q payment.OrderQuery, at listed, most int,
) (found []listed, more bool, err error) {
	index, high, below, low := partition.byCreation, latestCreation, "", "0"
	if at.order != "" {
		high, below = strconv.FormatInt(at.created, 10), string(at.order)
	}
	if !q.CreatedAfter.IsZero() {
		low = strconv.FormatInt(max(q.CreatedAfter.UnixMilli()+1, 0), 10)
	}
	if q.Customer != "" {
		high = strconv.FormatInt(payment.CustomerHash(q.Customer), 10)
		index, low = partition.byCustomer, high
		if at.order != "" {
			below = at.member()
		}
	}
	replies, err := s.Readers.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, part := range s.partitions() {
			pipe.Eval(ctx, loadIndexSource, []string{index(part), s.meta(part)}, high, below, low, most+1)
		}
		return nil
	})
	if err != nil {
		return nil, false, unavailable(err)
	}
	for _, reply := range replies {
		values, err := reply.(*redis.Cmd).StringSlice()
		if err != nil {
			return nil, false, unavailable(err)
		}
		found = append(found, readListed(values, q)...)
	}
	slices.SortFunc(found, newestFirst)
	if len(found) > most {
		return found[:most], true, nil
	}
	return found, false, nil
}

// readListed reads scores and members of the index that the query uses.
func readListed(values []string, q payment.OrderQuery) (found []listed) {
	for i := 0; i+1 < len(values); i += 2 {
		score, member := values[i], values[i+1]
		l := listed{order: payment.OrderID(member)}
		if q.Customer != "" {
			stamp := min(stampLength, len(member))
			l.created, _ = strconv.ParseInt(member[:stamp], 36, 64)
			l.order = payment.OrderID(member[stamp:])
		} else {
			created, _ := strconv.ParseFloat(score, 64) // as Redis writes scores
			l.created = int64(created)
		}
		if q.CreatedAfter.IsZero() || l.created > q.CreatedAfter.UnixMilli() {
			found = append(found, l)
		}
	}
	return found
}

// loadListed returns the order of each entry; nil if the query does not match it, or if the entry's order has
// expired or was stored anew.
func (s *Store) loadListed(ctx context.Context, q payment.OrderQuery, found []listed) ([]*payment.ListedOrder, error) {
	heads, err := s.readHeads(ctx, found, func(listed) []payment.ID { return nil })
	if err != nil {
		return nil, err
	}
	orders := make([]*payment.ListedOrder, len(found))
	for i, o := range heads {
		if o.Stored() && o.Listed.Created == found[i].created && wants(q, &o) {
			orders[i] = &payment.ListedOrder{ID: o.ID, Payments: o.Payments()}
		}
	}
	return orders, nil
}

// readHeads reads an order for each entry in one round trip, each with the payments in question. An
// expired one has no revision.
func (s *Store) readHeads(ctx context.Context, found []listed, ids func(listed) []payment.ID) ([]payment.Order, error) {
	if len(found) == 0 {
		return nil, nil
	}
	replies, err := s.Readers.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, l := range found {
			_, key := s.orderKey(payment.Ref{Order: l.order})
			pipe.HMGet(ctx, key, readFields(ids(l), 0)...)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	orders := make([]payment.Order, len(found))
	for i, reply := range replies {
		values := reply.(*redis.SliceCmd).Val()
		ref := payment.Ref{Order: found[i].order}
		orders[i], err = decodeOrder(ref, values[0], ids(found[i]), values[1:])
		if payment.BlocksMissing(err) > 0 {
			orders[i], err = s.readOrder(ctx, ref, ids(found[i])...)
		}
		if err != nil {
			return nil, corrupt(string(ref.Order), err)
		}
	}
	return orders, nil
}

// wants reports whether the query matches an order's head.
func wants(q payment.OrderQuery, o *payment.Order) bool {
	if q.Customer != "" && o.Listed.Customer != payment.CustomerHash(q.Customer) {
		return false
	}
	if q.State == "" {
		return true
	}
	a := o.Attempt(o.Current())
	return a != nil && a.State == q.State
}

// loadListedViews renders the payments of a page's orders. It drops an order that does not match the query:
// it has changed, or its customer has the same hash as another.
func (s *Store) loadListedViews(ctx context.Context, q payment.OrderQuery, page *payment.OrderPage) error {
	found, ids := make([]listed, len(page.Orders)), map[payment.OrderID][]payment.ID{}
	for i, o := range page.Orders {
		found[i].order, ids[o.ID] = o.ID, o.Payments
	}
	orders, err := s.readHeads(ctx, found, func(l listed) []payment.ID { return ids[l.order] })
	if err != nil {
		return err
	}
	page.Orders = page.Orders[:0]
	for _, o := range orders {
		if !o.Stored() || !wants(q, &o) || (q.Customer != "" && customerOf(&o) != q.Customer) {
			continue
		}
		l := payment.ListedOrder{ID: o.ID, Closed: o.Closed != "", Current: o.Current(), Payments: ids[o.ID]}
		for _, id := range l.Payments {
			l.Views = append(l.Views, o.Render(id))
		}
		page.Orders = append(page.Orders, l)
	}
	return nil
}

// customerOf returns the customer of the payment that the order stands for, or of its terms.
func customerOf(o *payment.Order) payment.CustomerID {
	if view := o.Render(o.Current()); view != nil {
		return payment.CustomerOf(view)
	}
	return o.Terms.Customer
}
