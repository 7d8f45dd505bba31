#!/bin/sh
# Runs histories of payments on Kasse and the simulator, delivers the same signed events to the webhook handlers of
# public plug-ins, and prints the resulting states of each as a table. It exits with 1 if docs/plugins.md has another
# table; UPDATE=1 writes the table there. Packages are installed in a temporary folder.
set -eu
cd "$(dirname "$0")"
. ../setup/await.sh
root=$(cd ../.. && pwd)
work=$(mktemp -d)
dev=
trap '[ -z "$dev" ] || kill "$dev"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

(cd "$root" && go build -o "$work/kasse-dev" ./cmd/kasse-dev)
cp ./*.mjs package.json .npmrc "$work"
cd "$work"
echo "Installing the plug-ins; this takes a few minutes." >&2
npm install --silent --legacy-peer-deps >npm.log 2>&1 || { cat npm.log; exit 2; }

./kasse-dev -addr :0 -admin-addr :0 -stripe-addr :0 -control-addr :0 -shop-addr :0 -console-addr :0 \
	-seed 21 -settle 9000h >addresses 2>kasse.log &
dev=$!
await $dev '^Control' addresses
node compare.mjs >table
cat table
document="$root/docs/plugins.md"
if [ "${UPDATE:-}" ]; then
	awk 'FNR == NR { table = table $0 "\n"; next }
		/^\| history / { printf "%s", table; skip = 1 }
		!/^\|/ { skip = 0 }
		!skip' table "$document" >plugins.md
	cp plugins.md "$document"
fi
grep '^|' "$document" | grep -Fxf table >same || true
diff table same >difference || { echo "docs/plugins.md has another table: UPDATE=1 writes it"; cat difference; exit 1; }
