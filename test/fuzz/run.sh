#!/bin/sh
# Fuzzes every target of the repository for DURATION, one after the other. Go saves a failing input in testdata of its
# package, and every later run of the tests repeats it.
set -eu

go="${GO:-go}"
duration="${DURATION:-1m}"
targets="$(grep -rlE '^func Fuzz' --include='*_test.go' . | sort)"
total="$(grep -rhE '^func Fuzz' --include='*_test.go' . | wc -l)"
count=0
for file in $targets; do
	for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
		count=$((count + 1))
		echo "=== $count of $total: $target of $(dirname "$file"), for $duration"
		"$go" test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -parallel "${PARALLEL:-2}"
	done
done
