#!/bin/sh
# Runs Stripe's own CLI with the simulator. Every trigger must succeed, and create an event of its name.
# Usage: test/cli/run.sh [trigger…]
set -eu
cd "$(dirname "$0")"
. ../setup/await.sh

triggers=${*:-payment_intent.created payment_intent.succeeded payment_intent.payment_failed
	payment_intent.requires_action payment_intent.processing payment_intent.amount_capturable_updated
	payment_intent.partially_funded payment_intent.canceled charge.succeeded charge.failed charge.captured
	charge.refunded charge.refund.updated charge.dispute.created charge.dispute.updated charge.dispute.closed
	customer.created customer.updated payment_method.attached payment_method.detached}
key=sk_test_1234567890

# npm installs a package without a hash, and does not report it. So the hash is checked here.
node -e '
const name = `node_modules/@stripe/cli-${process.platform}-${process.arch}`
const locked = require("./package-lock.json").packages[name]
if (!locked?.integrity) {
	console.error(`package-lock.json has no hash of ${name}. Compare the hash that this prints, and add it:`)
	console.error(`  npm view ${name.slice(13)}@${locked?.version} dist.integrity`)
	process.exit(1)
}'
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --silent
work=$(mktemp -d)
export XDG_CONFIG_HOME="$work" # the CLI stores files there
export STRIPE_CLI_TELEMETRY_OPTOUT=1 # with telemetry the CLI sometimes panicked at its end
go build -o "$work/sim" .
"$work/sim" >"$work/address" &
sim=$!
trap 'kill $sim 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

await $sim . "$work/address"
base=$(cat "$work/address")

failed=0
for trigger in $triggers; do
	if ! ./node_modules/.bin/stripe trigger "$trigger" --api-base "$base" --api-key $key >"$work/log" 2>&1 ||
		! grep -q '^Trigger succeeded!' "$work/log"; then
		echo "FAIL $trigger" && cat "$work/log"
		failed=1
	elif ! curl -fsS -u $key: "$base/v1/events?type=$trigger" | grep '"type": "'"$trigger"'"' >/dev/null; then
		echo "FAIL $trigger: the simulator has no such event"
		failed=1
	else
		echo "ok   $trigger"
	fi
done
exit $failed
