package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
)

var (
	errNoEndpoints     = errors.New("EVENT_ENDPOINTS names no endpoint")
	errUnknownEndpoint = errors.New("no endpoint of EVENT_ENDPOINTS has this id or name: " +
		"kasse events endpoints lists them")
	errWhichEndpoint = errors.New("EVENT_ENDPOINTS names several endpoints: choose one with -endpoint ID " +
		"(kasse events endpoints lists them)")
	errNotWaiting = errors.New("no waiting or dead event of this endpoint has this id: " +
		"kasse events dead and kasse events log list ids; kasse events replay pushes delivered events again")
	errUnknownType = errors.New("-type names a type of event that does not exist (docs/events.md lists them)")
)

// Replay adds past events to the push queues of all endpoints, from a cursor of the feed (empty: the oldest
// kept event), all types or one. Running servers push them; without one, the next server does. It prints
// progress.
func (a *App) Replay(ctx context.Context, after, kind string, out io.Writer) error {
	switch {
	case len(a.Endpoints) == 0:
		return errNoEndpoints
	case kind != "" && !payment.KnownEventType(kind):
		return errUnknownType
	}
	if _, err := a.store.Check(ctx, a.identity()); err != nil {
		return err
	}
	var ids []push.EndpointID
	for _, e := range a.Endpoints {
		ids = append(ids, e.ID())
	}
	total := 0
	for page := 1; ; page++ {
		count, next, done, err := a.store.Replay(ctx, ids, after, kind)
		if err != nil {
			return err
		}
		total, after = total+count, next
		if done {
			_, err := fmt.Fprintf(
				out, "%s will be pushed again to %s.\n", quantity(total, "event"), quantity(len(ids), "endpoint"),
			)
			return err
		}
		if page%20 == 0 {
			_, _ = fmt.Fprintf(out, "%s so far; to continue from here: -after %s\n", quantity(total, "event"), next)
		}
	}
}

// ListEndpoints prints the position of each endpoint. It shows only scheme and host of URLs.
func (a *App) ListEndpoints(ctx context.Context, out io.Writer) error {
	if len(a.Endpoints) == 0 {
		return errNoEndpoints
	}
	for _, e := range a.Endpoints {
		standing, err := a.store.LoadPushes(ctx, e.ID())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out,
			"%s  %s  %s; %d under way, %d to be tried again, %d given up; %d not begun, %d to be tried now\n",
			e.ID(), e.Name(), endpointState(standing), standing.Pending, standing.Retries, standing.Dead,
			standing.Waiting, standing.DueRetries)
		if err != nil {
			return err
		}
	}
	return nil
}

// endpointState describes whether an endpoint gets events, and since when it does not.
func endpointState(s store.PushStanding) string {
	switch {
	case s.Disabled == push.DisabledGone:
		return "disabled since " + s.DisabledAt.Format(time.RFC3339) + ": it answered 410"
	case s.Disabled != "":
		return "disabled since " + s.DisabledAt.Format(time.RFC3339) + ": by hand"
	case !s.Registered:
		return "not registered: no server has run with this endpoint yet"
	case !s.Failing.IsZero():
		return "failing since " + s.Failing.Format(time.RFC3339) + ", next probe at " + s.NextProbe.Format(time.RFC3339)
	}
	return "enabled"
}

// EnableEndpoint lets a disabled endpoint continue from its position.
func (a *App) EnableEndpoint(ctx context.Context, id string, out io.Writer) error {
	e, err := a.endpointNamed(id)
	if err != nil {
		return err
	}
	changed, err := a.store.EnablePushes(ctx, e.ID())
	return printSwitch(out, e, changed, err, "is enabled", "was not disabled")
}

// DisableEndpoint stops the deliveries to an endpoint, on all servers, until it is enabled. Its events wait.
func (a *App) DisableEndpoint(ctx context.Context, id string, out io.Writer) error {
	e, err := a.endpointNamed(id)
	if err != nil {
		return err
	}
	changed, err := a.store.DisablePushes(ctx, e.ID(), push.DisabledByHand)
	return printSwitch(out, e, changed, err, "is disabled; its events wait", "was disabled before")
}

func printSwitch(out io.Writer, e *push.Endpoint, changed bool, err error, done, was string) error {
	if err != nil {
		return err
	}
	if !changed {
		done = was
	}
	_, err = fmt.Fprintf(out, "%s %s.\n", e.Name(), done)
	return err
}

// ListDead prints the dead letters, the oldest first, of one endpoint or of all (empty id).
func (a *App) ListDead(ctx context.Context, id string, out io.Writer) error {
	endpoints, err := a.endpointsNamed(id)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "given up at\tendpoint\tevent\ttype\ttries\treason")
	count := 0
	for _, e := range endpoints {
		letters, err := a.store.LoadDeadLetters(ctx, e.ID())
		if err != nil {
			return err
		}
		for _, l := range letters {
			count++
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n",
				l.At.Format(time.RFC3339), e.Name(), l.Event, l.Type, l.Tries, l.Reason)
		}
	}
	if count == 0 {
		_, err = fmt.Fprintln(out, "No event was given up.")
		return err
	}
	return table.Flush()
}

// Redrive makes the waiting retries and dead letters of one endpoint due now: all, or the one with this event
// id.
func (a *App) Redrive(ctx context.Context, id, event string, out io.Writer) error {
	e, err := a.endpointNamed(id)
	if err != nil {
		return err
	}
	r, err := a.store.Redrive(ctx, e.ID(), event)
	if err != nil {
		return err
	}
	if event != "" && r == (store.Redriven{}) {
		return errNotWaiting
	}
	text := fmt.Sprintf("%d waiting and %d dead events will be sent to %s now.\n", r.Waiting, r.Dead, e.Name())
	if r.Gone > 0 {
		text += fmt.Sprintf("%d dead events are no longer kept (EVENT_RETENTION).\n", r.Gone)
	}
	standing, err := a.store.LoadPushes(ctx, e.ID())
	if err != nil {
		return err
	}
	if standing.Disabled != "" {
		text += fmt.Sprintf("The endpoint is disabled: kasse events enable %s lets it go on.\n", e.ID())
	}
	_, err = io.WriteString(out, text)
	return err
}

// maxLogLines is the number of deliveries that PrintPushLog prints.
const maxLogLines = 100

// PrintPushLog prints the last deliveries to one endpoint with status and time, the newest first.
func (a *App) PrintPushLog(ctx context.Context, id string, out io.Writer) error {
	e, err := a.endpointNamed(id)
	if err != nil {
		return err
	}
	lines, err := a.store.LoadPushLog(ctx, e.ID(), maxLogLines)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		_, err = fmt.Fprintf(out, "Nothing was sent to %s yet.\n", e.Name())
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "at\tstatus\ttook\ttry\tevent\ttype\treason")
	for _, l := range lines {
		status := "none"
		if l.Status > 0 {
			status = fmt.Sprint(l.Status)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d ms\t%d\t%s\t%s\t%s\n",
			l.At.Format("2006-01-02T15:04:05.000Z"), status, l.Took.Milliseconds(), l.Try, l.Event, l.Type, l.Reason)
	}
	return table.Flush()
}

// endpointNamed returns the endpoint with this id or name. An empty id means the only endpoint.
func (a *App) endpointNamed(id string) (*push.Endpoint, error) {
	all, err := a.endpointsNamed(id)
	switch {
	case err != nil:
		return nil, err
	case len(all) > 1:
		return nil, errWhichEndpoint
	}
	return all[0], nil
}

// endpointsNamed returns the endpoint with this id or name, or all for an empty id.
func (a *App) endpointsNamed(id string) ([]*push.Endpoint, error) {
	if len(a.Endpoints) == 0 {
		return nil, errNoEndpoints
	}
	if id = strings.TrimSpace(id); id == "" {
		return a.Endpoints, nil
	}
	for _, e := range a.Endpoints {
		if string(e.ID()) == id || e.Name() == id {
			return []*push.Endpoint{e}, nil
		}
	}
	return nil, errUnknownEndpoint
}
