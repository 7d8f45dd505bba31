package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kasse/api"
)

// pass moves the clock by which an unknown kid may cause another fetch.
func (i *issued) pass(d time.Duration) { i.passed.Add(int64(d)) }

// isGood checks that the token is taken for good, or that it is not.
func (i *issued) isGood(token string, want bool) {
	i.t.Helper()
	if got := i.reads(token); (got == http.StatusNotFound) != want || (got == http.StatusUnauthorized) == want {
		i.t.Errorf("the token gets %d", got)
	}
}

// TestIssuerRotatesItsKeys: a new key is fetched when its first token comes, and one that is gone signs no longer.
func TestIssuerRotatesItsKeys(t *testing.T) {
	i := newIssued(t)
	old, fresh := i.token(ecKey(), header("ES256", "ec"), nil), i.token(edwardsKey(), header("EdDSA", "next"), nil)
	i.isGood(old, true)
	i.issuer.publish(jwk(t, "ec", ecKey()), jwk(t, "next", edwardsKey()))
	i.isGood(fresh, false) // the keys have just been fetched
	i.pass(10 * time.Second)
	var together sync.WaitGroup
	for range 20 {
		together.Go(func() { i.isGood(fresh, true) })
	}
	together.Wait()
	i.isGood(old, true)
	if got := i.issuer.fetches.Load(); got != 2 {
		t.Errorf("the keys were fetched %d times", got)
	}
	i.issuer.publish(jwk(t, "next", edwardsKey()))
	i.pass(10 * time.Second)
	i.isGood(i.token(ecKey(), header("ES256", "unknown"), nil), false)
	i.isGood(old, false)
	i.isGood(fresh, true)
}

// TestUnknownKidsFetchSeldom: invented kids make us ask the issuer rarely, and delay no other request.
func TestUnknownKidsFetchSeldom(t *testing.T) {
	i := newIssued(t)
	good := i.token(ecKey(), header("ES256", "ec"), nil)
	i.isGood(good, true)
	for round := range int64(3) {
		i.pass(10 * time.Second)
		var flood sync.WaitGroup
		for n := range 4 {
			flood.Go(func() {
				for m := range 8 {
					i.isGood(i.token(ecKey(), header("ES256", "invented-"+strconv.Itoa(n*8+m)), nil), false)
				}
			})
		}
		i.isGood(good, true)
		flood.Wait()
		if got := i.issuer.fetches.Load(); got != round+2 {
			t.Errorf("after round %d the keys were fetched %d times", round, got)
		}
	}
}

// TestIssuerIsUnreachable: Kasse starts without it, and takes its tokens when it is there; then its last keys stay.
func TestIssuerIsUnreachable(t *testing.T) {
	i := newIssued(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	i.serve("http://" + address + "/keys?token=hunter2")
	token := i.token(ecKey(), header("ES256", "ec"), nil)
	i.isGood(token, false)
	i.isGood(i.apiEnv.token(nil), true)

	if listener, err = net.Listen("tcp", address); err != nil {
		t.Skip("somebody has taken the port: ", err)
	}
	back := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(i.issuer.serve)}}
	back.Start()
	t.Cleanup(back.Close)
	i.isGood(token, false) // too soon for another fetch
	i.pass(10 * time.Second)
	i.isGood(token, true)

	back.CloseClientConnections()
	back.Close()
	i.pass(time.Hour)
	i.isGood(i.token(ecKey(), header("ES256", "unknown"), nil), false)
	i.isGood(token, true)
	if log := i.logs.String(); strings.Contains(log, "hunter2") || !strings.Contains(log, "cannot fetch") {
		t.Errorf("the log is %s", log)
	}
}

// TestInvalidKeySetsAreRefused: if the issuer returns anything else, the last good keys stay, and only
// the configured address is requested.
func TestInvalidKeySetsAreRefused(t *testing.T) {
	i := newIssued(t)
	token := i.token(ecKey(), header("ES256", "ec"), nil)
	i.isGood(token, true)
	other := newIssuer(t)
	other.publish(jwk(t, "evil", edwardsKey()))
	evil := i.token(edwardsKey(), header("EdDSA", "evil"), nil)
	redirect := func(status int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }
	}
	keys := encode(t, map[string]any{"keys": []any{jwk(t, "evil", edwardsKey())}})
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"nothing": text(200, ""), "a page": text(200, "<html>"), "null": text(
			200, "null",
		), "no keys": text(200, `{}`), "none": text(200, `{"keys":[]}`), "null keys": text(200, `{"keys":null}`),
		"keys of a word": text(200, `{"keys":"all"}`), "keys twice": text(
			200, `{"keys":[],"keys":[]}`,
		), "a key of nothing": text(200, `{"keys":[null,1,"a",{},[]]}`),
		"a broken key": text(
			200, `{"keys":[{"kid":"evil","kty":"OKP","crv":"Ed25519","x":"AA"}]}`,
		), "half of them": text(200, keys[:len(keys)-1]), "with more": text(200, keys+"{}"),
		"a point off its curve": text(200, `{"keys":[{"kid":"evil","kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`),
		"an error with keys":    text(500, keys), "created": text(201, keys), "gone": text(404, keys),
		"endless":      text(200, strings.Repeat(" ", 1<<20)+keys),
		"another host": redirect(http.StatusFound, other.URL), "for good": redirect(
			http.StatusPermanentRedirect, other.URL,
		), "a file": redirect(http.StatusFound, "file:///etc/passwd"),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			i.t = t
			i.issuer.say(answer)
			i.pass(10 * time.Second)
			before := i.issuer.fetches.Load()
			i.isGood(evil, false)
			i.isGood(token, true)
			if got := i.issuer.fetches.Load() - before; got != 1 {
				t.Errorf("the keys were fetched %d times", got)
			}
		})
	}
	i.t = t
	if got := other.fetches.Load(); got != 0 {
		t.Errorf("another host was asked %d times", got)
	}
	i.issuer.publish(jwk(t, "evil", edwardsKey()))
	i.pass(10 * time.Second)
	i.isGood(evil, true)
}

// script is a transport without a network, so that a test can move the clock by hours.
type script func(*http.Request) (*http.Response, error)

func (s script) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// TestKeysAreFetchedAtIntervals: every 15 minutes; 30 seconds after a failure; and a fetch takes 5 seconds at most.
func TestKeysAreFetchedAtIntervals(t *testing.T) {
	text, err := json.Marshal(map[string]any{"keys": []any{jwk(t, "ec", ecKey())}})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Duration
		keys := api.NewIssuerKeys(api.IssuerOptions{URL: "https://login.shop.example/keys", Now: time.Now, Logger: slog.New(slog.DiscardHandler), Transport: script(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, time.Since(began))
			switch len(asked) {
			case 1:
				return nil, errors.New("away")
			case 2:
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(text))}, nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		go keys.Run(ctx)
		time.Sleep(32 * time.Minute)
		synctest.Wait()
		cancel()
		want := []time.Duration{
			0, 30 * time.Second, 65 * time.Second, 65*time.Second + 15*time.Minute, 65*time.Second + 30*time.Minute,
		}
		if len(asked) != len(want) {
			t.Fatalf("asked at %v, want %v", asked, want)
		}
		for n := range want {
			if asked[n] != want[n] {
				t.Errorf("asked at %v, want %v", asked, want)
			}
		}
	})
}
