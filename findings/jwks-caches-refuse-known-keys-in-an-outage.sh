#!/bin/sh
# JWKS caches refuse tokens of known keys while the issuer does not answer
#
# Guess (28 November, 56 and 57): if the issuer answers 503 to a refresh, a cache keeps using the keys
#             that it has read. hono's middleware reads the keys once for ten requests.
# Behaviour:  go-jwt-middleware and jose drop the keys when their lifetime ends (in jose 10 minutes by
#             default), and fail until the issuer answers. hono has no cache: it reads the keys at each
#             request, also if the issuer allows an hour. keyfunc keeps the old keys.
# Versions:   github.com/auth0/go-jwt-middleware/v2 v2.3.1, github.com/MicahParks/keyfunc/v3 v3.9.1,
#             github.com/golang-jwt/jwt/v5 v5.3.1; jose 6.2.18, hono 4.13.19 (npm).
# Matters:    a short outage of the issuer refuses all customers, also those whose tokens are valid for an
#             hour. hono answers 500. An issuer that limits requests refuses a shop that uses hono.

. "$(dirname "$0")/lib/start.sh"
npm_packages jose@6.2.18 hono@4.13.19
cat >main.go <<'END'
package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/golang-jwt/jwt/v5"
)

const keysLive = 500 * time.Millisecond

// outcome is "accepted" without an error, and "refused" with one.
func outcome(err error) string {
	if err != nil {
		return "refused"
	}
	return "accepted"
}

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	public, private, _ := ed25519.GenerateKey(nil)
	var down atomic.Bool
	var reads atomic.Int64
	var issuer string
	keys := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"a","x":%q}]}`,
		base64.RawURLEncoding.EncodeToString(public))
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			reads.Add(1)
		}
		switch {
		case down.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/keys":
			fmt.Fprint(w, keys)
		default:
			fmt.Fprintf(w, `{"jwks_uri":"%s/keys"}`, issuer)
		}
	}
	issuer = httptest.NewServer(http.HandlerFunc(answer)).URL
	location, _ := url.Parse(issuer)
	ctx := context.Background()

	provider := jwks.NewCachingProvider(location, keysLive, jwks.WithSynchronousRefresh(true))
	use := func() error { _, err := provider.KeyFunc(ctx); return err }
	kept, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{issuer + "/keys"},
		keyfunc.Override{RefreshInterval: keysLive})
	if err != nil {
		panic(err)
	}
	bare := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "customer"})
	bare.Header["kid"] = "a"
	token, _ := bare.SignedString(private)
	verify := func() error { _, err := jwt.Parse(token, kept.Keyfunc); return err }

	fmt.Printf("before the outage: go-jwt-middleware %s, keyfunc %s\n", outcome(use()), outcome(verify()))
	down.Store(true)
	// In the outage only keyfunc comes as far as the keys: here it has tried to refresh them twice.
	for before := reads.Load(); reads.Load() < before+2; {
		time.Sleep(keysLive)
	}
	fmt.Printf("in the outage: go-jwt-middleware %s, keyfunc %s\n", outcome(use()), outcome(verify()))
}
END
cat >jwks.mjs <<'END'
import { createServer } from 'node:http';
import { Hono } from 'hono';
import { jwk } from 'hono/jwk';
import { SignJWT, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const { publicKey, privateKey } = await generateKeyPair('RS256');
const keys = [{ ...(await exportJWK(publicKey)), kid: 'a', alg: 'RS256', use: 'sig' }];
const header = { alg: 'RS256', kid: 'a' };
const claims = new SignJWT({ sub: 'customer' }).setProtectedHeader(header).setExpirationTime('1h');
const token = await claims.sign(privateKey);
console.error = () => {}; // hono prints the error, too

let down = false;
let reads = 0;
const issuer = createServer((request, response) => {
  reads++;
  if (down) return response.writeHead(503).end();
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'public, max-age=3600' });
  response.end(JSON.stringify({ keys }));
}).listen(0, '127.0.0.1', async () => {
  const uri = `http://127.0.0.1:${issuer.address().port}/keys`;
  const set = createRemoteJWKSet(new URL(uri), { cacheMaxAge: 100 });
  const jose = () => jwtVerify(token, set).then(() => 'accepted', () => 'refused');
  const app = new Hono();
  app.use('*', jwk({ jwks_uri: uri, alg: ['RS256'] }));
  app.get('/', (context) => context.text('paid'));
  const hono = async () => (await app.request('/', { headers: { authorization: `Bearer ${token}` } })).status;

  console.log(`before the outage: jose ${await jose()}`);
  reads = 0;
  for (let i = 0; i < 10; i++) await hono();
  const status = await hono();
  console.log(`before the outage: hono ${status}, and it has read the keys ${reads} times for 11 requests`);
  down = true;
  await new Promise((resolve) => setTimeout(resolve, 500));
  console.log(`in the outage: jose ${await jose()}, hono ${await hono()}`);
  process.exit();
});
END
go_modules github.com/auth0/go-jwt-middleware/v2@v2.3.1 github.com/MicahParks/keyfunc/v3@v3.9.1 \
	github.com/golang-jwt/jwt/v5@v5.3.1
{ ./finding && node jwks.mjs; } >seen
compare <<'END'
before the outage: go-jwt-middleware accepted, keyfunc accepted
in the outage: go-jwt-middleware refused, keyfunc accepted
before the outage: jose accepted
before the outage: hono 200, and it has read the keys 11 times for 11 requests
in the outage: jose refused, hono 500
END
