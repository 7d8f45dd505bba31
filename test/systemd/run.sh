#!/usr/bin/env bash
# Runs deploy/systemd/kasse.service under a real systemd, with all its restrictions. It needs Debian's systemd and root.
#
# systemd is process 1 of its own namespaces, over a copy of this machine's files. It does not change the machine, and
# its processes end with the namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."
GO="${GO:-go}"

for program in /lib/systemd/systemd systemd-analyze script unshare redis-server; do
	command -v "$program" >/dev/null || { echo "NOT CHECKED: $program is missing" >&2; exit 1; }
done
[ "$(id -u)" -eq 0 ] || { echo "NOT CHECKED: make systemd-check needs root" >&2; exit 1; }
[ -d /sys/fs/cgroup/systemd ] || { echo "NOT CHECKED: this machine has no cgroup v1 hierarchies" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/kasse-systemd.XXXXXX")
started=()
clean() {
	kill "${started[@]}" 2>/dev/null || true
	find /sys/fs/cgroup -depth -type d -path '*/kasse-systemd-check*' -exec rmdir {} + 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap clean EXIT

CGO_ENABLED=0 "$GO" build -o "$work/" ./cmd/kasse ./cmd/kasse-dev

"$work/kasse-dev" -addr :0 -admin-addr :0 -stripe-addr :0 -control-addr :0 -shop-addr :0 -console-addr :0 \
	>"$work/dev" 2>&1 &
started+=($!)
redis-server --unixsocket "$work/redis.sock" --unixsocketperm 777 --port 0 --dir "$work" --save "" \
	--appendonly yes --appendfsync always >"$work/redis.log" &
started+=($!)
for _ in $(seq 600); do
	! { grep -q "Commands to paste" "$work/dev" && [ -S "$work/redis.sock" ]; } || break
	sleep 0.1
done
stripe=$(awk '$1 == "Stripe" { print $2 }' "$work/dev")

mkdir -p "$work/etc/secrets" "$work/out"
chmod 711 "$work"
cp deploy/systemd/kasse.env "$work/etc/"
sed -i -e 's/^LISTEN_ADDR=.*/LISTEN_ADDR=127.0.0.1:18080/' -e 's/^STRIPE_PUBLISHABLE_KEY=.*/&pk_test_kasse_dev/' \
	"$work/etc/kasse.env"
printf 'ADMIN_ADDR=127.0.0.1:19090\nSTRIPE_API_BASE=%s\n' "$stripe" >>"$work/etc/kasse.env"
key=ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse
(
	cd "$work/etc/secrets"
	echo unix:///run/redis/redis-server.sock >redis-url
	echo sk_test_kasse_dev >stripe-secret-key
	echo whsec_systemd_check_systemd_check >stripe-webhook-secrets
	echo "dev:$(printf %s "$key" | sha256sum | cut -d ' ' -f 1):read+write" >service-keys
	: >order-token-secrets
)
cp deploy/systemd/kasse.service test/systemd/checks.sh "$work/"

# systemd writes to the console, which script provides. Its cgroups are below the cgroup kasse-systemd-check.
cat >"$work/outer.sh" <<-EOF
	for controller in systemd devices memory pids; do
		[ -d /sys/fs/cgroup/\$controller ] || continue
		mkdir -p /sys/fs/cgroup/\$controller/kasse-systemd-check
		echo \$\$ >/sys/fs/cgroup/\$controller/kasse-systemd-check/cgroup.procs
	done
	CONSOLE=\$(tty) exec unshare -m -p -f -u -i -C --kill-child bash "$PWD/test/systemd/boot.sh" "$work"
EOF
timeout -k 5 300 script -qefc "bash $work/outer.sh" "$work/boot.log" </dev/null >/dev/null 2>&1 || true

cat "$work/out/checks" 2>/dev/null || true
if ! grep -q '^all checks passed$' "$work/out/checks" 2>/dev/null; then
	echo "FAILED. The output of the unit and of systemd:" >&2
	tail -n 20 "$work/out/kasse" "$work/boot.log" >&2 || true
	exit 1
fi
