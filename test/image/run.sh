#!/usr/bin/env bash
# Builds the image and runs it, with its own Docker daemon. It needs Debian, root and about 2 GB of disk, and no
# registry of images: debootstrap makes the two base images, with this machine's Go and modules.
#
# The run has its own network, mount and process namespaces. It changes no port, bridge, firewall rule or container of
# this machine, and its processes end with the namespaces. Its files are in one directory, which is removed.
#
#   BASE=file.tar.gz   saves the debootstrap of the base image in this file, or loads it; the next run is minutes faster
#   DOCKER=program     the client, which needs BuildKit (Debian's has it)
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
	echo "make image-check needs root, since it starts a Docker daemon in its own namespaces" >&2
	exit 1
fi

# with_buildkit CLIENT succeeds if the client has BuildKit. It is built in before version 23; later ones need a plug-in.
with_buildkit() {
	local version
	version=$("$1" version --format '{{.Client.Version}}' 2>/dev/null) || [ -n "$version" ] || return 1
	[ "${version%%.*}" -lt 23 ] || "$1" buildx version >/dev/null 2>&1
}
client=""
for candidate in ${DOCKER:-/usr/bin/docker docker}; do
	if with_buildkit "$candidate"; then client=$candidate && break; fi
done
[ -n "$client" ] || { echo "no docker client with BuildKit was found; set DOCKER=program" >&2; exit 1; }

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
	debootstrap --variant=minbase --include=ca-certificates,git,redis-server "$suite" "$root" "$mirror" \
		>"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
	[ -z "${BASE:-}" ] || tar -C "$root" -czf "$BASE" .
fi

# The image is built from a clean clone, so that Go finds the commit to stamp.
git clone --quiet --no-hardlinks . "$work/src"

step "modules for the build in the image, programs for the run"
modules=$("$GO" env GOMODCACHE)
proxy="file://$modules/cache/download,$("$GO" env GOPROXY)"
(cd "$work/src" && GOFLAGS=-modcacherw GOMODCACHE="$work/modules" GOPROXY="$proxy" "$GO" mod download)
CGO_ENABLED=0 "$GO" build -o "$work/check" ./test/image
CGO_ENABLED=0 "$GO" build -C test/image/tools -o "$work/dockerfile-frontend" \
	github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend
"$GO" build -C test/image/tools -o "$work/docker-compose" github.com/docker/compose/v2/cmd

cp -a "$("$GO" env GOROOT)" "$work/go"
mv "$work/modules/cache/download" "$work/go-proxy"

step "new namespaces"
unshare --net --mount --pid --fork --kill-child --mount-proc "$work/check" -work "$work" -docker "$client"
step "done"
