#!/bin/sh
# Fails if openapi.yaml breaks a client of the last release: of the last tag, or until there is one of the first
# commit that has the contract. An intended break needs a new major version, and so a new tag. A new value in an
# answer, such as an error code, breaks nothing (breaking-levels.txt): the contract says that clients ignore what they do not
# know.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}

if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
	echo "This clone is shallow, so the last release is not in it: git fetch --unshallow --tags" >&2
	exit 1
fi
base=$(git describe --tags --abbrev=0 2>/dev/null || git log --diff-filter=A --reverse --format=%H -- ../../openapi.yaml | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git show "$base:openapi.yaml" >"$work/openapi.yaml"
if ! $GO tool oasdiff breaking --fail-on ERR --err-ignore breaking-ignore.txt --severity-levels breaking-levels.txt "$work/openapi.yaml" ../../openapi.yaml >"$work/said" 2>&1; then
	sed -n '/^error/I,/^$/p' "$work/said"
	echo "openapi.yaml breaks a client of $base."
	exit 1
fi
echo "openapi.yaml breaks no client of $base."
