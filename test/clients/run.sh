#!/bin/sh
# Clients in TypeScript and Go, generated from openapi.yaml. They are type-checked strictly, and each makes one payment
# with kasse-dev. KASSE_DEV names this program; without it the script builds one. No file generated here is committed.
set -eu
cd "$(dirname "$0")"
. ../setup/await.sh
GO=${GO:-go}

[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
rm -rf generated
mkdir -p generated/kasse

./node_modules/.bin/openapi-typescript ../../openapi.yaml -o generated/kasse.d.ts >/dev/null
./node_modules/.bin/tsc -p .
$GO tool oapi-codegen -config oapi-codegen.yaml ../../openapi.yaml
$GO vet ./...

# The types of the Go client are committed, since users import the module without generating them.
sed 's,^output: .*,output: generated/types.gen.go,' ../../clients/go/oapi-codegen.yaml >generated/types.yaml
$GO tool oapi-codegen -config generated/types.yaml ../../openapi.yaml
if ! cmp -s generated/types.gen.go ../../clients/go/types.gen.go; then
	echo "clients/go/types.gen.go differs from openapi.yaml: run cd clients/go && go generate" >&2
	exit 1
fi
$GO build -o generated/pay .

work=$(mktemp -d)
program=${KASSE_DEV:-$work/kasse-dev}
[ -n "${KASSE_DEV:-}" ] || (cd ../.. && $GO build -o "$program" ./cmd/kasse-dev)
"$program" -addr :0 -admin-addr :0 -stripe-addr :0 -shop-addr :0 -console-addr :0 >"$work/printed" &
dev=$!
trap 'kill $dev 2>/dev/null || true; wait $dev 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
await $dev '^Commands to paste' "$work/printed"
address() { sed -n "s/^$1 *//p" "$work/printed"; }

node generated/js/pay.js "$(address Kasse)" "$(address Stripe)"
generated/pay "$(address Kasse)" "$(address Stripe)"
