#!/bin/sh
# Runs all findings, or those with these names (run.sh NAME…). It prints the exit status and the seconds of each. It
# exits with 1 if a behaviour has changed, and with 2 if a finding could not be run.
set -eu
cd "$(dirname "$0")/../../findings"

[ $# -gt 0 ] || set -- *.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT

same=0 changed=0 missed=0
for name; do
	began=$(date +%s)
	status=0
	"./${name%.sh}.sh" >"$log" 2>&1 </dev/null || status=$?
	case $status in
	0) same=$((same + 1)) ;;
	1) changed=$((changed + 1)) ;;
	*) missed=$((missed + 1)) ;;
	esac
	printf 'exit %d  %4d s  %s\n' $status $(($(date +%s) - began)) "${name%.sh}"
	[ $status -eq 0 ] || sed 's/^/    /' "$log"
done
echo "$same as stated, $changed changed, $missed not run"
[ $changed -eq 0 ] || exit 1
[ $missed -eq 0 ] || exit 2
