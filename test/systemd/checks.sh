#!/bin/bash
# Checks of the running kasse.service. Each prints a line with its name, the measured value and the result.
key=ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse
api=http://127.0.0.1:18080
failed=0

# check NAME GOT WANT
check() {
	local result=ok
	[ "$2" = "$3" ] || { result="FAILED, want $3" failed=1; }
	printf '%-45s %-20s %s\n' "$1" "$2" "$result"
}
ask() { curl -s --max-time 30 -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
ready() {
	for _ in $(seq 300); do
		[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:19090/readyz)" != 200 ] || { echo ready; return; }
		sleep 0.1
	done
	echo "not ready"
}
status() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$(systemctl show -p MainPID --value kasse)/status"; }

check "starts with its secrets" "$(ready)" ready
check "capabilities" "$(status CapEff)/$(status CapBnd)" "0000000000000000/0000000000000000"
check "no new privileges, system calls filtered" "$(status NoNewPrivs)/$(status Seccomp)" 1/2
check "user is not root" "$([ "$(status Uid)" -gt 60000 ] && echo dynamic)" dynamic
pid=$(systemctl show -p MainPID --value kasse)
for path in /etc /usr /var; do
	check "cannot write to $path" "$(nsenter -t "$pid" -m touch $path/x 2>&1 | grep -o 'Read-only')" Read-only
done
check "homes are empty" "$(find "/proc/$pid/root/home" "/proc/$pid/root/root" -mindepth 1 | wc -l)" 0

opened=$(ask "$api/v1/payments" -d '{"order_id":"unit-1","amount":4200,"currency":"eur"}')
payment=$(grep -o '"payment_intent":"[^"]*' <<<"$opened" | cut -d '"' -f 4)
version=$(grep -o '"version":[0-9]*' <<<"$opened" | cut -d : -f 2)
check "opens a payment at Stripe" "${payment:0:3}" pi_
check "300 reads, 30 at once" "$(export -f ask; export key; seq 300 |
	xargs -P 30 -I{} bash -c 'ask -o /dev/null -w "%{http_code}\n" '"$api/v1/payments/$payment" |
	sort | uniq -c | xargs)" "300 200"
check "delays a long poll" "$(ask -o /dev/null -w '%{http_code}' -H "If-None-Match: \"$version\"" \
	"$api/v1/payments/$payment?wait=1")" 304

systemctl kill -s KILL kasse
sleep 1 # systemd notices the end, and then waits for RestartSec
check "starts again after a kill" "$(ready) $(systemctl show -p NRestarts --value kasse)" "ready 1"
check "still has the payment" "$(ask "$api/v1/payments/$payment" | grep -o '"state":"[a-z]*"')" '"state":"pending"'
check "kasse check, as in the README" "$( (set -a; . /etc/kasse/kasse.env
	for f in /etc/kasse/secrets/*; do export "$(basename "$f" | tr a-z- A-Z_)_FILE=$f"; done
	kasse check 2>&1) | grep -c '^ok *redis')" 2
systemctl stop kasse
check "ends after a stop" "$(systemctl show -p Result --value kasse)" success
check "its secrets are removed" "$(ls -A /run/credentials/kasse.service 2>/dev/null | wc -l)" 0
[ "$failed" = 1 ] || echo "all checks passed"
