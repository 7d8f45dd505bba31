#!/usr/bin/env bash
# Builds the image and runs it, with a Docker daemon of its own. Debian, root, some 2 GB of disk, and nothing from a registry
# of images: the two base images are made here by debootstrap, with this machine's Go and modules.
#
# All of it happens in a network, a mount and a process namespace of its own: no port, bridge, firewall rule or container of this
# machine is touched, and when the namespaces end, everything in them ends. Its files are in one directory, which is removed.
#
#   BASE=file.tar.gz   keeps the debootstrap of the base image there, or takes it from there: the next run saves minutes
#   DOCKER=program     the client; it needs BuildKit (Debian's has it)
set -euo pipefail
cd "$(dirname "$0")/../.."
GO="${GO:-go}"

packages=""
need() { command -v "$1" >/dev/null || packages="$packages $2"; }
need dockerd docker.io
need debootstrap debootstrap
need ip iproute2
need iptables iptables
need unshare util-linux
if [ -n "$packages" ]; then
	echo "missing:$packages. On Debian: apt-get install --no-install-recommends$packages" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "make image-check needs root: it starts a Docker daemon in namespaces of its own" >&2
	exit 1
fi

# with_buildkit CLIENT: before 23 a client has BuildKit built in; later ones need a plug-in.
with_buildkit() {
	local version
	version=$("$1" version --format '{{.Client.Version}}' 2>/dev/null) || [ -n "$version" ] || return 1
	[ "${version%%.*}" -lt 23 ] || "$1" buildx version >/dev/null 2>&1
}
client=""
for candidate in ${DOCKER:-/usr/bin/docker docker}; do
	if with_buildkit "$candidate"; then client=$candidate && break; fi
done
[ -n "$client" ] || { echo "no docker client with BuildKit; DOCKER= names one" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/kasse-image.XXXXXX")
clean() {
	find /sys/fs/cgroup -depth -type d -path '*/kasse-image-check*' -exec rmdir {} + 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap clean EXIT

step() { printf '%4d s  %s\n' "$SECONDS" "$1"; }

root="$work/root"
mkdir "$root"
if [ -n "${BASE:-}" ] && [ -f "$BASE" ]; then
	step "base image: from $BASE"
	tar -C "$root" -xzf "$BASE"
else
	step "base image: debootstrap"
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	debootstrap --variant=minbase --include=ca-certificates,git,redis-server "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
		{ tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
	[ -z "${BASE:-}" ] || tar -C "$root" -czf "$BASE" .
fi

# A clean clone is what is built, so that Go finds the commit to stamp.
git clone --quiet --no-hardlinks . "$work/src"

step "modules for the build inside, programs for the run"
modules=$("$GO" env GOMODCACHE)
(cd "$work/src" && GOFLAGS=-modcacherw GOMODCACHE="$work/modules" GOPROXY="file://$modules/cache/download,$("$GO" env GOPROXY)" "$GO" mod download)
CGO_ENABLED=0 "$GO" build -o "$work/check" ./test/image
CGO_ENABLED=0 "$GO" build -C test/image/tools -o "$work/dockerfile-frontend" github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend
"$GO" build -C test/image/tools -o "$work/docker-compose" github.com/docker/compose/v2/cmd

cp -a "$("$GO" env GOROOT)" "$work/go"
mv "$work/modules/cache/download" "$work/go-proxy"

step "namespaces of its own"
unshare --net --mount --pid --fork --kill-child --mount-proc "$work/check" -work "$work" -docker "$client"
step "done"
