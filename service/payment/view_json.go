package payment

import (
	"strconv"
	"time"

	json "github.com/go-json-experiment/json/v1"
)

// encode returns the view's JSON: the public members, then the private ones, in the order of the structs. It is
// written by hand, since every webhook and every status read renders a view.
func (v View) encode() []byte {
	w := jsonWriter{make([]byte, 0, 1024)}
	w.public(v.PublicView)
	w.text("customer", (*string)(v.Customer))
	w.metadata(v.Metadata)
	w.dispute(v.Dispute)
	w.method(v.Method)
	w.text("receipt_url", v.ReceiptURL)
	w.review(v.Review)
	return append(w.b, '}')
}

func (w *jsonWriter) public(v PublicView) {
	w.text("payment_intent", (*string)(&v.Payment))
	w.text("order_id", (*string)(&v.Order))
	w.number("attempt", int64(v.Attempt))
	w.yes("superseded", v.Superseded)
	w.text("status", (*string)(&v.Status))
	w.text("state", (*string)(&v.State))
	w.text("next", &v.Next)
	w.yes("final", v.Final)
	w.yes("fulfillable", v.Fulfillable)
	w.moment("fulfillable_at", v.FulfillableAt)
	w.text("hold_reason", (*string)(v.HoldReason))
	w.number("amount", v.Amount)
	w.number("amount_received", v.AmountReceived)
	w.number("amount_capturable", v.AmountCapturable)
	w.number("amount_refunded", v.AmountRefunded)
	w.text("currency", &v.Currency)
	if w.object("failure", v.Failure != nil) {
		w.text("code", v.Failure.Code)
		w.text("decline_code", v.Failure.DeclineCode)
		w.text("message", &v.Failure.Message)
		w.end()
	}
	w.moment("capture_before", v.CaptureBefore)
	w.yes("livemode", v.Livemode)
	w.number("version", v.Version)
	w.moment("created_at", &v.CreatedAt)
	w.moment("updated_at", &v.UpdatedAt)
	if v.PollAfter == nil {
		w.null("poll_after_ms")
	} else {
		w.number("poll_after_ms", int64(*v.PollAfter))
	}
	if w.object("action", v.Action != nil) {
		w.text("type", &v.Action.Type)
		w.moment("expires_at", v.Action.ExpiresAt)
		w.end()
	}
}

func (w *jsonWriter) metadata(metadata map[string]string) {
	if !w.object("metadata", metadata != nil) {
		return
	}
	for _, key := range sortedKeys(metadata) {
		w.b = append(w.quoted(w.comma(), key), ':')
		w.b = w.quoted(w.b, metadata[key])
	}
	w.end()
}

func (w *jsonWriter) dispute(d *DisputeView) {
	if w.object("dispute", d != nil) {
		w.text("id", &d.ID)
		w.text("status", &d.Status)
		w.number("amount", d.Amount)
		w.end()
	}
}

func (w *jsonWriter) method(m *MethodView) {
	if w.object("payment_method_details", m != nil) {
		w.text("type", &m.Type)
		w.text("brand", m.Brand)
		w.text("last4", m.Last4)
		w.end()
	}
}

func (w *jsonWriter) review(r *ReviewView) {
	if w.object("review", r != nil) {
		w.text("id", &r.ID)
		w.text("reason", &r.Reason)
		w.moment("opened_at", &r.OpenedAt)
		w.end()
	}
}

// jsonWriter writes the members of an object.
type jsonWriter struct{ b []byte }

// comma writes the separator before a member.
func (w *jsonWriter) comma() []byte {
	switch {
	case len(w.b) == 0:
		return append(w.b, '{')
	case w.b[len(w.b)-1] == '{':
		return w.b
	}
	return append(w.b, ',')
}

// name writes the name of a member, which needs no escapes.
func (w *jsonWriter) name(name string) {
	w.b = append(append(append(w.comma(), '"'), name...), '"', ':')
}

func (w *jsonWriter) null(name string) {
	w.name(name)
	w.b = append(w.b, "null"...)
}

func (w *jsonWriter) yes(name string, v bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *jsonWriter) number(name string, v int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, v, 10)
}

func (w *jsonWriter) text(name string, v *string) {
	if v == nil {
		w.null(name)
		return
	}
	w.name(name)
	w.b = w.quoted(w.b, *v)
}

// moment writes a time in UTC; all have whole seconds.
func (w *jsonWriter) moment(name string, at *time.Time) {
	if at == nil {
		w.null(name)
		return
	}
	w.name(name)
	w.b = append(at.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
}

// object begins an object, or writes null.
func (w *jsonWriter) object(name string, present bool) bool {
	if !present {
		w.null(name)
		return false
	}
	w.name(name)
	w.b = append(w.b, '{')
	return true
}

func (w *jsonWriter) end() { w.b = append(w.b, '}') }

// quoted appends a JSON string. A text that may need escapes is left to the library.
func (*jsonWriter) quoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) //nolint:errchkjson // a string
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// JSON returns the view as it is served.
func (v View) JSON() []byte { return v.encode() }
