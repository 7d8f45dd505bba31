#!/bin/sh
# Stripe's own CLI against the simulator: every trigger must succeed, and leave the event it is named after.
# Usage: test/cli/run.sh [trigger…]
set -eu
cd "$(dirname "$0")"

triggers=${*:-payment_intent.created payment_intent.succeeded payment_intent.payment_failed payment_intent.requires_action payment_intent.processing
	payment_intent.amount_capturable_updated payment_intent.partially_funded payment_intent.canceled charge.succeeded charge.failed charge.captured
	charge.refunded charge.refund.updated charge.dispute.created charge.dispute.updated charge.dispute.closed customer.created customer.updated
	payment_method.attached payment_method.detached}
key=sk_test_1234567890

# npm runs what it cannot verify without a word.
node -e '
const name = `node_modules/@stripe/cli-${process.platform}-${process.arch}`
const locked = require("./package-lock.json").packages[name]
if (!locked?.integrity) {
	console.error(`package-lock.json has no hash of ${name}: add the one that this prints, after you have compared it:`)
	console.error(`  npm view ${name.slice(13)}@${locked?.version} dist.integrity`)
	process.exit(1)
}'
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --silent
work=$(mktemp -d)
export XDG_CONFIG_HOME="$work" # the CLI keeps notes there
export STRIPE_CLI_TELEMETRY_OPTOUT=1 # with it, it panicked now and then after its work was done
go build -o "$work/sim" .
"$work/sim" >"$work/address" &
sim=$!
trap 'kill $sim 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

until [ -s "$work/address" ]; do
	kill -0 $sim
	sleep 0.1
done
base=$(cat "$work/address")

failed=0
for trigger in $triggers; do
	if ! ./node_modules/.bin/stripe trigger "$trigger" --api-base "$base" --api-key $key >"$work/log" 2>&1 || ! grep -q '^Trigger succeeded!' "$work/log"; then
		echo "FAIL $trigger" && cat "$work/log"
		failed=1
	elif ! curl -fsS -u $key: "$base/v1/events?type=$trigger" | grep '"type": "'"$trigger"'"' >/dev/null; then
		echo "FAIL $trigger: no such event"
		failed=1
	else
		echo "ok   $trigger"
	fi
done
exit $failed
