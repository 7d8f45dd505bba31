#!/bin/sh
# Fails if openapi.yaml breaks a client of the last release: the last tag or, without a tag, the first commit with the
# contract. An intended break needs a new major version, and so a new tag. A new value in a response, such as an error
# code, is no break (breaking-levels.txt), since the contract requires clients to ignore unknown values.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}

if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
	echo "This clone is shallow, so the last release is not in it: git fetch --unshallow --tags" >&2
	exit 1
fi
base=$(git describe --tags --abbrev=0 2>/dev/null ||
	git log --diff-filter=A --reverse --format=%H -- ../../openapi.yaml | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git show "$base:openapi.yaml" >"$work/openapi.yaml"
if ! $GO tool oasdiff breaking --fail-on ERR --err-ignore breaking-ignore.txt --severity-levels breaking-levels.txt \
	"$work/openapi.yaml" ../../openapi.yaml >"$work/output" 2>&1; then
	sed -n '/^error/I,/^$/p' "$work/output"
	echo "openapi.yaml breaks a client of $base. Undo the change, or list it in test/clients/breaking-ignore.txt."
	exit 1
fi
echo "openapi.yaml breaks no client of $base."
