package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kasse/service"
)

var errNoEndpoints = errors.New("EVENT_ENDPOINTS names no endpoint")

// Replay lets past events be pushed again, from a cursor of the feed on (empty: from the oldest kept), all or those of one
// type. The servers that run push them; where none runs, the next to start does. It says now and then how far it is.
func (a *App) Replay(ctx context.Context, after, kind string, out io.Writer) error {
	if len(a.Endpoints) == 0 {
		return errNoEndpoints
	}
	if _, err := a.store.Check(ctx, a.identity()); err != nil {
		return err
	}
	var ids []service.EndpointID
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
			_, err := fmt.Fprintf(out, "%d events will be pushed again to %d endpoints.\n", total, len(ids))
			return err
		}
		if page%20 == 0 {
			_, _ = fmt.Fprintf(out, "%d events so far; to go on from here: -after %s\n", total, next)
		}
	}
}

// ListEndpoints says how far the deliveries to each endpoint are. Of URLs it shows scheme and host.
func (a *App) ListEndpoints(ctx context.Context, out io.Writer) error {
	for _, e := range a.Endpoints {
		standing, err := a.store.LoadPushes(ctx, e.ID())
		if err != nil {
			return err
		}
		state := "enabled"
		switch {
		case !standing.Joined:
			state = "not begun: no server has run with it"
		case standing.Disabled:
			state = "disabled: it answered 410"
		}
		_, err = fmt.Fprintf(out, "%s  %s  %s; %d under way, %d to be tried again, %d given up\n",
			e.ID(), e.Name(), state, standing.Pending, standing.Retries, standing.Dead)
		if err != nil {
			return err
		}
	}
	return nil
}

// EnableEndpoint lets an endpoint that answered 410 go on from where it stopped.
func (a *App) EnableEndpoint(ctx context.Context, id string, out io.Writer) error {
	for _, e := range a.Endpoints {
		if string(e.ID()) != id {
			continue
		}
		changed, err := a.store.EnablePushes(ctx, e.ID())
		if err == nil && changed {
			_, err = fmt.Fprintf(out, "%s is enabled.\n", e.Name())
		} else if err == nil {
			_, err = fmt.Fprintf(out, "%s was not disabled.\n", e.Name())
		}
		return err
	}
	return errors.New("no endpoint of EVENT_ENDPOINTS has this id: kasse events endpoints lists them")
}
