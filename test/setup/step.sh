#!/bin/sh
# Runs one step of `make check`: step.sh NAME COMMAND… It prints a line with the seconds when the step has ended. If
# the step failed it prints the whole output before, otherwise only the lines about skipped work.
set -u
name=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$(date +%s)
"$@" >"$log" 2>&1
code=$?
took=$(($(date +%s) - began))
if [ "$code" -ne 0 ]; then
	cat "$log"
	printf 'FAIL  make %-34s %6d s\n' "$name" "$took"
	exit "$code"
fi
grep -E '^NOT [A-Z]+:' "$log" || true
printf 'ok    make %-34s %6d s\n' "$name" "$took"
