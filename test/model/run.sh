#!/bin/sh
# Runs the model-based tests on one new seed after the other until DURATION has passed. A seed that fails is printed, and
# replays with: go test ./service -run TestOrdersModel -rapid.seed=N
set -eu

go="${GO:-go}"
binary="$(mktemp)"
trap 'rm -f "$binary"' EXIT
"$go" test -c -o "$binary" ./service

seconds="$(printf '%s' "${DURATION:-5m}" | awk '/^[0-9]+s$/ { print $0 + 0; next } /^[0-9]+m$/ { print ($0 + 0) * 60; next } /^[0-9]+h$/ { print ($0 + 0) * 3600 }')"
[ -n "$seconds" ] || { echo "DURATION must be like 90s, 5m or 1h" >&2; exit 1; }

cd service
end=$(($(date +%s) + seconds))
runs=0
while [ "$(date +%s)" -lt "$end" ]; do
	"$binary" -test.run 'TestOrdersModel|TestTruth|TestViewIsOfTheSet|TestDoubtOfTruth|TestMergeIsOfTheSet|TestMergeLeavesItsInputs' -rapid.seed=0 -rapid.nofailfile
	runs=$((runs + 1))
	echo "$runs rounds passed, $((end - $(date +%s))) s left"
done
