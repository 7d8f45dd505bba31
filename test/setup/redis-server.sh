#!/bin/sh
# Makes sure that there is a redis-server, which many tests start for themselves.
# Asks for root only where it has to, and only when there is something to install.
set -eu

fail() {
	echo "redis-server is missing, and $1." >&2
	echo "Install Redis 7.0 or newer so that redis-server is in the PATH, then try again." >&2
	exit 1
}

command -v redis-server >/dev/null && exit 0

if command -v apt-get >/dev/null; then
	root=""
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || fail "installing it needs root: apt-get install redis-server"
		root="sudo"
	fi
	echo "redis-server is missing; installing it with apt-get" >&2
	$root apt-get update -q || fail "apt-get update failed"
	$root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends redis-server ||
		fail "apt-get install redis-server failed"
elif command -v brew >/dev/null; then
	echo "redis-server is missing; installing it with Homebrew" >&2
	brew install redis || fail "brew install redis failed"
else
	fail "there is neither apt-get nor brew to install it with"
fi

command -v redis-server >/dev/null || fail "it is still not in the PATH after the installation"
