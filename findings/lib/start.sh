# Each finding sources this file. It prints the finding's header, changes into a new temporary folder, and removes the
# folder at the end. A finding exits with 0 when the package behaves as the header states, with 1 when it does not, and
# with 2 when a program or a package is missing.
set -eu

lib=$(cd "$(dirname "$0")/lib" && pwd)
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
started=

# clear_up stops the processes that the finding has started, and removes its folder.
clear_up() {
	for pid in $started; do
		if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
	done
	chmod -R u+w "$work" && rm -rf "$work"
}
trap clear_up EXIT
trap 'exit 130' INT TERM
cd "$work"

# need exits with 2 when one of the programs is missing.
need() {
	for program; do
		command -v "$program" >/dev/null || { echo "NOT RUN: $program is missing"; exit 2; }
	done
}

# npm_packages installs packages, each as name@version. npm installs no peer packages: the finding lists those that it
# needs.
npm_packages() {
	need node npm
	echo '{"private":true}' >package.json
	npm install --silent --no-audit --no-fund --legacy-peer-deps "$@" >npm.log 2>&1 || { cat npm.log; exit 2; }
}

# go_modules builds main.go with the modules, each as path@version, into the program ./finding.
go_modules() {
	need go
	{ go mod init finding && go get "$@" && go mod tidy && go build -o finding .; } >go.log 2>&1 || { cat go.log; exit 2; }
}

# compare prints the file "seen", and compares it with standard input: the output when the finding was written. It exits
# with 1 when they differ.
compare() {
	cat >expected
	echo "seen now:"
	sed 's/^/  /' seen
	diff expected seen >difference || { echo "CHANGED: expected (<) and seen (>) differ"; cat difference; exit 1; }
	echo "as stated"
}

# await repeats a command until it succeeds. It returns 1 after a minute.
await() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		sleep 0.1
	done
}

# start_redis ADDRESS OPTION… starts a server and waits until it answers. ADDRESS holds redis-cli's options for the server.
# It returns 1 when the server ends, for example because its port is taken.
start_redis() {
	address=$1
	shift
	redis-server --save '' "$@" >redis.log 2>&1 &
	server=$!
	started="$started $server"
	# Another server may answer when the port is taken, so await checks the process id.
	answers="redis-cli $address info server 2>/dev/null | grep -q 'process_id:$server[^0-9]'"
	await "! kill -0 $server 2>/dev/null || $answers"
	kill -0 $server 2>/dev/null
}

# redis_alone starts one server on the Unix socket "socket" in the temporary folder.
redis_alone() {
	need redis-server redis-cli
	start_redis '-s socket' --port 0 --unixsocket "$work/socket" || { cat redis.log; exit 2; }
}

# redis_cluster starts a cluster of three masters on loopback. It exports their ports as "ports".
redis_cluster() {
	need redis-server redis-cli
	ports= nodes= port=$((20000 + $$ % 9000))
	for node in a b c; do
		until start_redis "-p $port" --port $port --bind 127.0.0.1 --cluster-enabled yes --cluster-config-file $node.conf; do
			port=$((port + 1))
		done
		ports="$ports $port" nodes="$nodes 127.0.0.1:$port"
		port=$((port + 1))
	done
	# shellcheck disable=SC2086 # one argument a node
	redis-cli --cluster create $nodes --cluster-yes >cluster.log
	for port in $ports; do
		await "redis-cli -p $port cluster info | grep -q cluster_state:ok" || { cat cluster.log; exit 2; }
	done
	export ports lib
}
