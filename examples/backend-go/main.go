// Backend-go is a shop's backend beside Kasse. It creates orders, mints order tokens, captures and
// refunds. It receives events from the feed and by push, and ships each paid order exactly once.
// Copy the parts that you need.
//
//	KASSE_URL       http://127.0.0.1:8080
//	KASSE_KEY       ksk_…, with the scopes read+write+manage+events
//	WEBHOOK_SECRET  whsec_…, as in Kasse's EVENT_ENDPOINTS
//	ADDR            127.0.0.1:8093, unless set
//	DATABASE        shop.db, unless set
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	kasse "kasse/clients/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context) error {
	client, clientErr := kasse.New(os.Getenv("KASSE_URL"), os.Getenv("KASSE_KEY"), kasse.Options{})
	if clientErr != nil {
		clientErr = fmt.Errorf(
			"set KASSE_URL to Kasse's address, and set KASSE_KEY to a service key from `kasse keygen`: %w", clientErr,
		)
	}
	verifier, verifierErr := kasse.NewVerifier(os.Getenv("WEBHOOK_SECRET"))
	if verifierErr != nil {
		verifierErr = fmt.Errorf("set WEBHOOK_SECRET to this endpoint's secret in EVENT_ENDPOINTS: %w", verifierErr)
	}
	if err := errors.Join(clientErr, verifierErr); err != nil {
		return err
	}
	db, err := openDatabase(ctx, cmp.Or(os.Getenv("DATABASE"), "shop.db"))
	if err != nil {
		return fmt.Errorf("open DATABASE: %w", err)
	}
	defer db.Close() //nolint:errcheck // every write was committed before
	b := &backend{kasse: client, verifier: verifier, db: db}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8093"))
	if err != nil {
		return fmt.Errorf("listen on ADDR: %w", err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: b.routes(), ReadTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- b.followFeed(ctx) }()
	go func() { ended <- server.Serve(listener) }()
	err = <-ended
	_ = server.Close() // Kasse pushes unanswered events again
	if ctx.Err() != nil {
		return nil
	}
	return err
}
