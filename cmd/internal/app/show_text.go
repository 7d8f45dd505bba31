package app

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// print writes the order as text.
func (s *Shown) print(out io.Writer) error {
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	line("Order %s%s", s.Order, textIf(s.Foreign, ", a payment that names it but is not one of its attempts"))
	t := s.Terms
	line("  terms          %s, customer %s%s%s", money(t.Amount, t.Currency), orNone(val(t.Customer)),
		named("capture", t.CaptureMethod), named("setup_future_usage", t.SetupFutureUsage))
	line("  current        %s%s%s", orNone(string(val(s.Current))), textIf(s.Winner != nil, ", which has won it"),
		named("closed:", s.Closed))
	line("  fulfillable    %s", since(s.FulfillableAt, "never yet"))
	if s.LockedUntil != nil {
		line("  locked         until %s: a call is changing it at Stripe", stamp(*s.LockedUntil))
	}
	if len(s.OtherPayments) > 0 {
		line("  others         %d PaymentIntents name the order but are not its attempts: %s",
			len(s.OtherPayments), joined(s.OtherPayments))
	}
	for _, a := range s.Attempts {
		a.print(line)
	}
	line("\nTimeline")
	for _, step := range s.Timeline {
		line("  %s  %s", stamp(step.At), step)
	}
	line("\nEvents of the stream%s", textIf(len(s.Events) == 0, ": none (any more)"))
	for _, e := range s.Events {
		line("  %s  %s  %s%s", stamp(e.CreatedAt), e.Type, e.ID, textIf(e.Restored, "  restored"))
		for _, d := range e.Deliveries {
			line("      %s  %s%s%s", d.Endpoint, d.State, named("due", stampOf(d.DueAt)), named("reason:", d.Reason))
			for _, try := range d.Tries {
				line("        %s", try)
			}
		}
	}
	if s.Stripe != nil {
		s.Stripe.print(line)
	}
	line("\nMetadata, receipts, payment methods and forms are personal: only their presence is shown.")
	_, err := io.WriteString(out, text.String())
	return err
}

func (a ShownAttempt) print(line func(string, ...any)) {
	switch {
	case a.Payment == nil:
		line("\nAttempt %d  without a PaymentIntent: %s", a.Attempt, val(a.Outcome))
	case a.Status == nil:
		line("\nAttempt %d  %s: not shown yet", a.Attempt, *a.Payment)
	default:
		line("\nAttempt %d  %s  %s (Stripe: %s)%s%s", a.Attempt, *a.Payment, *a.State, *a.Status,
			textIf(a.Superseded, ", superseded"), textIf(a.Fulfillable, ", fulfillable"))
		if a.HoldReason != nil {
			line("  held           %s", *a.HoldReason)
		}
		line("  amounts        %s, received %d, refunded %d", money(*a.Amount, *a.Currency), *a.AmountReceived,
			*a.AmountRefunded)
	}
	if a.Failure != nil || a.FailedAttempts > 0 {
		line("  failures       %d%s", a.FailedAttempts, named("last:", a.Failure))
	}
	if a.Payment != nil {
		line("  read at Stripe %s%s", since(a.LastReadAt, "never"),
			named("next, since the state is uncertain:", stampOf(a.ReadDueAt)))
	}
	p := a.Personal
	line("  personal       metadata %s, payment method %s, receipt %s, form %s%s", presence(p.Metadata),
		presence(p.PaymentMethod), presence(p.Receipt), presence(p.Form),
		textIf(p.Forgotten, "; forgotten by kasse forget"))
}

// String formats a step.
func (s ShownStep) String() string {
	text := strings.ReplaceAll(s.Kind, "_", " ") + named(" ", s.ID)
	switch {
	case s.Kind == "attempt":
		text = val(s.To)
	case s.Kind == "state" && s.From == nil:
		text = "state " + val(s.To)
	case s.Kind == "state" && *s.From == val(s.To):
		text = "state " + *s.From + ", other data changed"
	case s.Kind == "state":
		text = "state " + *s.From + " → " + val(s.To)
	default:
		text += ": " + val(s.To)
	}
	if s.Amount != nil {
		text += fmt.Sprintf(", %d", *s.Amount)
	}
	text += named("reason", s.Reason) + named("cause", s.Cause) + named("by", s.By)
	if s.Payment != nil {
		text += "  [" + string(*s.Payment) + "]"
	}
	return text
}

// String formats a try.
func (t ShownTry) String() string {
	answer, reason := "no response", t.Reason
	if t.Status != nil {
		answer = fmt.Sprint("answered ", *t.Status)
	}
	if val(reason) == answer {
		reason = nil
	}
	at := t.At.UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Sprintf("try %d  %s  %s in %d ms%s", t.Try, at, answer, t.TookMS, named("", reason))
}

func (s *ShownStripe) print(line func(string, ...any)) {
	line("\nStripe, %s%s", s.Payment, named("read at", stampOf(s.ReadAt)))
	if len(s.Differences) == 0 {
		line("  same as Redis: %s", val(s.Status))
	}
	for _, d := range s.Differences {
		line("  %s Redis: %s; Stripe: %s", d.Field, d.Redis, d.Stripe)
	}
}

func textIf(shown bool, text string) string {
	if shown {
		return text
	}
	return ""
}

// named appends a named text, if there is one.
func named(name string, text *string) string {
	if text == nil {
		return ""
	}
	return strings.TrimRight(", "+name, " ") + " " + *text
}

func since(at *time.Time, never string) string {
	if at == nil {
		return never
	}
	return stamp(*at)
}

func stampOf(at *time.Time) *string {
	if at == nil {
		return nil
	}
	return new(stamp(*at))
}

func joined[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = string(one)
	}
	return strings.Join(words, " ")
}
