#!/bin/bash
# boot.sh DIRECTORY runs in new namespaces. It makes a root file system over this machine's files, and replaces itself
# by systemd.
set -e
work=$1
fs=$work/fs
root=$fs/root
mount --make-rprivate /
mkdir -p "$fs"
mount -t tmpfs tmpfs "$fs"
mkdir "$fs/upper" "$fs/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$fs/upper,workdir=$fs/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys" # read-only, so that no setting of the kernel is changed
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
for controller in devices memory pids; do
	mkdir "$root/sys/fs/cgroup/$controller"
	mount -t cgroup -o $controller cgroup "$root/sys/fs/cgroup/$controller"
done
for directory in run tmp dev; do mount -t tmpfs tmpfs "$root/$directory"; done
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind /dev/$device "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
touch "$root/dev/console"
mount --bind "$CONSOLE" "$root/dev/console"
mkdir -p "$root$work"
mount --bind "$work" "$root$work"
mkdir "$root/run/redis" # not in /tmp: Kasse has its own, without the socket of Redis
touch "$root/run/redis/redis-server.sock"
mount --bind "$work/redis.sock" "$root/run/redis/redis-server.sock"

install -m 755 "$work/kasse" "$root/usr/local/bin/kasse"
install -d -m 700 "$root/etc/kasse"
cp -r "$work/etc/." "$root/etc/kasse/"
chmod -R go= "$root/etc/kasse"

# systemd starts only two units: kasse.service, and the tests of it.
units=$root/etc/systemd/system
rm -rf "$units"
mkdir -p "$units/kasse.service.d"
cp "$work/kasse.service" "$units/"
printf '[Service]\nStandardOutput=append:%s\nStandardError=append:%s\n' "$work/out/kasse" "$work/out/kasse" \
	>"$units/kasse.service.d/output.conf"
printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nStandardOutput=append:%s\nStandardError=append:%s\n' \
	"$work/out/checks" "$work/out/checks" >"$units/checks.service"
printf 'ExecStart=/bin/bash %s/checks.sh\nExecStopPost=/bin/kill -s RTMIN+14 1\n' "$work" >>"$units/checks.service"
printf '[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\nWants=kasse.service checks.service\n' >"$units/checked.target"
for unit in sysinit basic; do printf '[Unit]\nDefaultDependencies=no\n' >"$units/$unit.target"; done
for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket network-online.target; do
	ln -s /dev/null "$units/$unit"
done

mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=other PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --system --unit=checked.target --log-target=console --show-status=no
