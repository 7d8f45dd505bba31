#!/bin/sh
# Breaks the code on purpose, with one patch after the other. Each NAME.patch in this folder names a package and a test
# that must pass without the patch and fail with it. MUTANT=NAME runs one.
#
# The patches are applied to a copy of the tracked files, so the working tree does not change.
set -eu

go="${GO:-go}"
here="$(cd "$(dirname "$0")" && pwd)"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
cd "$here/../.."
git ls-files -z -- '*.go' '*.lua' '*.json' '*.yaml' '*.md' '*.dict' 'service/*' 'store/*' go.mod go.sum |
	xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh |
	sort -zu | tar -c --null -T - | tar -x -C "$copy"
cd "$copy"
export GIT_CEILING_DIRECTORIES="${copy%/*}" # git apply must not look for a repository above the copy

field() { sed -n "s/^$1: *//p" "$2" | head -n 1; }

complain() {
	echo "  $*" >&2
	faults=$((faults + 1))
}

# play runs the named test. Its result is in $passed: yes, no, or broken if no test ran. If a pattern matches no
# subtest, its parent passes. So play requires a result line of the subtest's depth.
play() {
	passed=broken depth="$(printf '%s' "$test" | tr -cd / | wc -c)"
	if "$go" test "$package" -count=1 -v -timeout 5m -run "$test" >"$copy/output" 2>&1; then
		if grep -Eq "^ *--- PASS: [^/ ]+(/[^/ ]+){$depth} " "$copy/output"; then passed=yes; fi
	elif grep -Eq "^ *--- FAIL: [^/ ]+(/[^/ ]+){$depth} " "$copy/output"; then
		passed=no
	fi
}

faults=0 count=0 total="$(ls "$here"/${MUTANT:-*}.patch 2>/dev/null | wc -l)"
for patch in "$here"/${MUTANT:-*}.patch; do
	[ -e "$patch" ] || { echo "test/mutants has no ${MUTANT:-}.patch" >&2; exit 1; }
	count=$((count + 1))
	name="$(basename "$patch" .patch)" package="$(field Package "$patch")" test="$(field Test "$patch")"
	echo "$count of $total: $name: $package $test"
	if ! git apply --check "$patch" 2>"$copy/output"; then
		complain "the patch no longer applies; adapt it to the code:"
		cat "$copy/output" >&2
		continue
	fi
	play
	if [ "$passed" != yes ]; then
		complain "the test does not pass without the mutant, or there is no such test:"
		tail -n 20 "$copy/output" >&2
		continue
	fi
	git apply "$patch"
	play
	git apply -R "$patch"
	case "$passed" in
	yes) complain "the test passes with the mutant, so it does not find this fault" ;;
	broken) complain "the mutant does not compile, or no test ran:"; tail -n 20 "$copy/output" >&2 ;;
	no) echo "  caught" ;;
	esac
done
[ "$faults" -eq 0 ] || { echo "$faults of $count mutants were not caught" >&2; exit 1; }
echo "all $count mutants were caught"
