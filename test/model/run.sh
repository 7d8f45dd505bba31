#!/bin/sh
# Runs the model-based tests on new seeds until DURATION has passed. It prints a seed that fails. To replay it:
#
#   go test ./service -run TestOrdersModel -rapid.seed=N
#   go test ./service/payment -run TEST -rapid.seed=N
set -eu

go="${GO:-go}"
export KASSE_TEST_ROUNDS=all
binaries="$(mktemp -d)"
trap 'rm -rf "$binaries"' EXIT
"$go" test -c -o "$binaries/orders" ./service
"$go" test -c -o "$binaries/payments" ./service/payment

seconds="$(printf '%s' "${DURATION:-5m}" | awk '
	/^[0-9]+s$/ { print $0 + 0 }
	/^[0-9]+m$/ { print ($0 + 0) * 60 }
	/^[0-9]+h$/ { print ($0 + 0) * 3600 }')"
[ -n "$seconds" ] || { echo "DURATION must be like 90s, 5m or 1h" >&2; exit 1; }

payments='TestTruth|TestViewIsOfTheSet|TestDoubtOfTruth|TestDropCommutes'
payments="$payments|TestMergeIsOfTheSet|TestMergeLeavesItsInputs|TestForgettingCommutes"
end=$(($(date +%s) + seconds))
runs=0
while [ "$(date +%s)" -lt "$end" ]; do
	"$binaries/orders" -test.run 'TestOrdersModel' -rapid.seed=0 -rapid.nofailfile
	"$binaries/payments" -test.run "$payments" -rapid.seed=0 -rapid.nofailfile
	runs=$((runs + 1))
	echo "$runs rounds passed, $((end - $(date +%s))) s left"
done
