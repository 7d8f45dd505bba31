#!/bin/sh
# Clients of other generators that callers use: orval with Zod, kubb with Zod, @hey-api/openapi-ts and ogen. Each is
# generated from openapi.yaml as its documentation says, is type-checked strictly, and makes a payment with kasse-dev.
# No generated file is committed. orval 8 needs Node 22, so the last version 7 is used.
set -eu
cd "$(dirname "$0")"
. ../../setup/await.sh
GO=${GO:-go}
spec=../../../openapi.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# generate runs a generator, and shows its output if it fails.
generate() {
	"$@" >"$work/output" 2>&1 || { cat "$work/output"; echo "$1 has failed" >&2; exit 1; }
}

[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
rm -rf generated
mkdir -p generated/ogen
generate ./node_modules/.bin/orval --input "$spec" --output generated/orval/client.ts --client fetch
generate ./node_modules/.bin/orval --input "$spec" --output generated/orval/zod.ts --client zod
generate ./node_modules/.bin/kubb generate --config kubb.config.mjs
generate ./node_modules/.bin/openapi-ts -f openapi-ts.config.mjs
generate "$GO" tool ogen --config ogen.yml --target generated/ogen --package kasse --clean "$spec"
./node_modules/.bin/tsc -p .
$GO vet ./...
$GO build -o generated/pay-ogen .

if grep -rn '\.default(' generated/orval generated/kubb; then
	echo "a generated client fills in a default of a request" >&2
	exit 1
fi

(cd ../../.. && $GO build -o "$work/kasse-dev" ./cmd/kasse-dev)
"$work/kasse-dev" -addr :0 -admin-addr :0 -stripe-addr :0 -control-addr :0 -shop-addr :0 -console-addr :0 \
	>"$work/printed" &
dev=$!
trap 'kill $dev 2>/dev/null || true; wait $dev 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
await $dev '^Commands to paste' "$work/printed"
address() { sed -n "s/^$1 *//p" "$work/printed"; }

for client in orval kubb hey-api; do
	node generated/js/pay-$client.js "$(address Kasse)" "$(address Stripe)"
done
generated/pay-ogen "$(address Kasse)" "$(address Stripe)"
