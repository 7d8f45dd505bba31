#!/bin/sh
# Clients in TypeScript and Go, generated from openapi.yaml: types are checked strictly, and each makes one payment with a
# kasse-dev of its own. Nothing that is generated is committed.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}

[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
rm -rf generated
mkdir -p generated/kasse

./node_modules/.bin/openapi-typescript ../../openapi.yaml -o generated/kasse.d.ts >/dev/null
./node_modules/.bin/tsc -p .
$GO tool oapi-codegen -config oapi-codegen.yaml ../../openapi.yaml
$GO vet ./...
$GO build -o generated/pay .

work=$(mktemp -d)
(cd ../.. && $GO build -o "$work/kasse-dev" ./cmd/kasse-dev)
"$work/kasse-dev" -addr :0 -admin-addr :0 -stripe-addr :0 -shop-addr :0 >"$work/printed" &
dev=$!
trap 'kill $dev 2>/dev/null || true; wait $dev 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
until grep -q '^A walk' "$work/printed"; do
	kill -0 $dev
	sleep 0.1
done
address() { sed -n "s/^$1 *//p" "$work/printed"; }

node generated/js/pay.js "$(address Kasse)" "$(address Stripe)"
generated/pay "$(address Kasse)" "$(address Stripe)"
