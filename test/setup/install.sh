#!/bin/sh
# Installs the programs that the tests need, if they are missing: redis-server, which many tests start, and curl, which
# the README's commands use. With "browser" it also installs Chromium. It uses root only if a program is missing.
set -eu

fail() {
	echo "$1 is missing, and $2." >&2
	echo "Install $1 (redis-server: 7.0 or newer) in the PATH, then try again." >&2
	exit 1
}

# install PROGRAM APT-PACKAGE BREW-PACKAGE
install() {
	command -v "$1" >/dev/null && return 0
	if command -v apt-get >/dev/null; then
		root=""
		if [ "$(id -u)" -ne 0 ]; then
			command -v sudo >/dev/null || fail "$1" "installing it needs root: apt-get install $2"
			root="sudo"
		fi
		echo "$1 is missing; installing it with apt-get" >&2
		$root apt-get update -q || fail "$1" "apt-get update failed"
		$root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$2" ||
			fail "$1" "apt-get install $2 failed"
	elif command -v brew >/dev/null; then
		echo "$1 is missing; installing it with Homebrew" >&2
		brew install "$3" || fail "$1" "brew install $3 failed"
	else
		fail "$1" "neither apt-get nor brew is available to install it"
	fi
	command -v "$1" >/dev/null || fail "$1" "it is still not in the PATH after the installation"
}

install redis-server redis-server redis
install curl curl curl
case "${1:-}" in
browser) [ -x "${CHROMIUM:-}" ] || install chromium chromium chromium ;;
esac
