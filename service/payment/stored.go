package payment

import (
	"strings"
	"time"
)

// The stored form of an order with its current payment, and of its other payments. Each function codes the
// fields of one type, with ascending tags; a tag is never reused. A type that is compared with == has no
// group of its own: its fields are in the group of the enclosing type, which keeps fields that a newer
// program has added.

// AppendOrder appends the stored form of the order, its current payment included.
func (o *Order) AppendOrder(b []byte) []byte {
	c := o.coder()
	c.buf = b
	o.code(&c)
	return c.buf
}

// AppendPayment appends the stored form of a payment that the order does not stand for.
func (o *Order) AppendPayment(b []byte, p *Payment) []byte {
	c := o.coder()
	c.buf = b
	p.code(&c)
	return c.buf
}

// DecodeOrder decodes AppendOrder's output into an order that has only its id and the blocks of its earlier
// attempts. If blocks are missing, BlocksMissing returns how many.
func (o *Order) DecodeOrder(stored []byte) error {
	c := o.coder()
	c.reading, c.buf = true, stored
	o.code(&c)
	return c.finish()
}

// DecodePayment reads what AppendPayment has written.
func (o *Order) DecodePayment(stored []byte, id ID) (*Payment, error) {
	c := o.coder()
	c.reading, c.buf = true, stored
	p := &Payment{ID: id}
	p.code(&c)
	return p, c.finish()
}

// coder returns a coder with the words of the order's key.
func (o *Order) coder() coder {
	return coder{words: words{seen: append(make([]string, 0, 24), string(o.ID), string(o.Foreign))}}
}

func (o *Order) code(c *coder) {
	c.ms(1, &o.Rev)
	o.Terms.code(c, 2)
	o.codeRows(c, 7)
	textField(c, 8, &o.Winner)
	c.ms(9, &o.Version)
	c.secs(10, &o.FulfillableAt)
	textField(c, 11, &o.LastWord.Payment)
	textField(c, 12, &o.LastWord.State)
	c.yes(13, &o.LastWord.Fulfillable)
	o.codeCurrent(c, 14)
	textField(c, 15, &o.Lease.Owner)
	c.ms(16, &o.Lease.Taken)
	c.ms(17, &o.Lease.Until)
	textField(c, 18, &o.Closed)
	numberField(c, 19, &o.Proposed.Amount)
	c.ms(20, &o.Proposed.Rev)
	numberField(c, 21, &o.KnownAtClosing)
	texts(c, 23, &o.ForeignIDs)
	numberField(c, 24, &o.ForeignCount)
	c.ms(25, &o.Listed.Created)
	numberField(c, 26, &o.Listed.Customer)
	numberField(c, 27, &o.Forgotten)
	numberField(c, 28, &o.Reopened) // 22 was a number of failed attempts
	c.close(&o.Added)
}

// codeCurrent codes the record of the payment that the order stands for, if it has one.
func (o *Order) codeCurrent(c *coder, tag int) {
	id := o.Current()
	p := o.Loaded[id]
	if !c.reading && p == nil || !c.open(tag) {
		return
	}
	if c.reading {
		p = &Payment{ID: id}
		if o.Loaded == nil {
			o.Loaded = map[ID]*Payment{}
		}
		o.Loaded[id] = p
	}
	p.code(c)
}

// code uses the five tags from the first on.
func (t *Terms) code(c *coder, first int) {
	numberField(c, first, &t.Amount)
	textField(c, first+1, &t.Currency)
	textField(c, first+2, &t.Customer)
	textField(c, first+3, &t.CaptureMethod)
	textField(c, first+4, &t.SetupFutureUsage)
}

func (a *Attempt) code(c *coder) {
	numberField(c, 1, &a.Number)
	textField(c, 2, &a.Payment)
	a.Terms.code(c, 3)
	c.ms(8, &a.Reserved)
	c.ms(9, &a.Tried)
	c.yes(10, &a.Ours)
	textField(c, 11, &a.State)
	c.ms(12, &a.Version)
	c.secs(13, &a.UpdatedAt)
	c.secs(14, &a.PointerUntil)
	pointer(c, 15, &a.Session, (*SessionFeatures).code)
	textField(c, 16, &a.Form)
	c.ms(17, &a.Searched)
	c.yes(18, &a.Unclear)
	c.yes(19, &a.Mismatch)
	c.yes(20, &a.Refused)
	c.yes(21, &a.Unknown)
	c.yes(22, &a.Superseded)
	c.ms(23, &a.WithdrawnAt)
	numberField(c, 24, &a.Failures)
	c.close(&a.Added)
}

func (f *SessionFeatures) code(c *coder) {
	var redisplay, limit int
	if f.Redisplay != nil {
		redisplay = 1 + btoi(*f.Redisplay)
	}
	if f.RedisplayLimit != nil {
		limit = 1 + *f.RedisplayLimit
	}
	numberField(c, 1, &redisplay)
	numberField(c, 2, &limit)
	if c.reading && redisplay != 0 {
		f.Redisplay = new(redisplay > 1)
	}
	if c.reading && limit != 0 {
		f.RedisplayLimit = new(limit - 1)
	}
	texts(c, 3, &f.RedisplayOnly)
	c.yes(4, &f.Save)
	textField(c, 5, &f.SaveUsage)
	c.yes(6, &f.Remove)
	textField(c, 7, &f.Surface)
	textField(c, 8, &f.SaveAs)
	c.close(&f.Added)
}

func (p *Payment) code(c *coder) {
	textField(c, 1, &p.SecretHash)
	c.yes(2, &p.Livemode)
	if c.open(3) {
		p.Record.code(c)
	}
	list(c, 4, &p.History, (*HistoryEntry).code)
	list(c, 5, &p.Calls, (*RefundCall).code)
	c.yes(6, &p.ClosedNoted)
	c.close(&p.Added)
}

// code writes the type of the event that caused the change, and its id, each by itself: the type is in the dictionary.
func (h *HistoryEntry) code(c *coder) {
	c.ms(1, &h.Version)
	textField(c, 2, &h.From)
	textField(c, 3, &h.To)
	c.secs(4, &h.At)
	kind, id, found := strings.Cut(h.Cause, " ")
	if found && id == "" {
		kind = h.Cause
	}
	textField(c, 5, &kind)
	textField(c, 6, &id)
	if c.reading {
		h.Cause = kind
		if id != "" {
			h.Cause = kind + " " + id
		}
	}
	h.codeActor(c, 7)
	c.close(&h.Added)
}

// codeActor codes the caller of a change, if a call caused it. It uses the three tags from the first on.
func (h *HistoryEntry) codeActor(c *coder, first int) {
	if !c.reading && h.By == nil || c.reading && !c.holds(first, first+2) {
		return
	}
	var a Actor
	if h.By != nil {
		a = *h.By
	}
	textField(c, first, &a.Operation)
	textField(c, first+1, &a.Key)
	textField(c, first+2, &a.RequestID)
	if c.reading && a != (Actor{}) {
		h.By = &a
	}
}

func (call *RefundCall) code(c *coder) {
	textField(c, 1, &call.Name)
	numberField(c, 2, &call.Amount)
	textField(c, 3, &call.Reason)
	textField(c, 4, &call.Form)
	c.ms(5, &call.Tried)
	c.ms(6, &call.First)
	c.yes(7, &call.Unclear)
	c.yes(8, &call.Refused)
	pointer(c, 9, &call.Answered, (*RefundView).code)
	c.close(&call.Added)
}

func (v *RefundView) code(c *coder) {
	status, reason, created := orEmpty(v.Status), orEmpty(v.Reason), v.CreatedAt.Unix()
	textField(c, 1, &v.ID)
	numberField(c, 2, &v.Amount)
	textField(c, 3, &status)
	textField(c, 4, &reason)
	c.secs(5, &created)
	if c.reading {
		v.Status, v.Reason, v.CreatedAt = optional(status), optional(reason), time.Unix(created, 0).UTC()
	}
	c.close(&v.Added)
}

func orEmpty[T ~string](v *T) (none T) {
	if v == nil {
		return none
	}
	return *v
}
