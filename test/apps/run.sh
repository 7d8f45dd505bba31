#!/bin/sh
# Checks the code of docs/apps.md. React Native is type-checked. Kotlin is compiled, and pays an order at its own
# kasse-dev. It needs the Debian packages kotlin, libokhttp-java and libandroid-json-org-java, about 370 MB.
set -eu
cd "$(dirname "$0")"
. ../setup/await.sh
GO=${GO:-go}

jars=/usr/share/java
if ! command -v kotlinc >/dev/null || [ ! -e $jars/okhttp.jar ] || [ ! -e $jars/json-android.jar ]; then
	echo "Kotlin's compiler or OkHttp is missing. Install them:" >&2
	echo "apt-get install --no-install-recommends kotlin libokhttp-java libandroid-json-org-java" >&2
	exit 1
fi
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
rm -rf generated
mkdir generated

# block prints the code block of one language. The page must have exactly one.
block() {
	awk -v fence="\`\`\`$1" '
		$0 == fence { found++; on = 1; next }
		/^```$/ { on = 0 }
		on { print }
		END { exit found != 1 }
	' ../../docs/apps.md
}
block tsx >generated/Checkout.tsx
block kotlin >generated/Kasse.kt

./node_modules/.bin/tsc -p .
echo "ok  React Native: type-checked"

libraries=$jars/okhttp.jar:$jars/okio.jar:$jars/json-android.jar
if ! kotlinc kotlin/*.kt generated/Kasse.kt -cp $libraries -d generated/app.jar 2>generated/kotlinc.log; then
	cat generated/kotlinc.log >&2
	exit 1
fi

work=$(mktemp -d)
(cd ../.. && $GO build -o "$work/kasse-dev" ./cmd/kasse-dev)
: >"$work/printed" # grep below needs the file
"$work/kasse-dev" -addr :0 -admin-addr :0 -stripe-addr :0 -shop-addr :0 -console-addr :0 >"$work/printed" &
dev=$!
trap 'kill $dev 2>/dev/null || true; wait $dev 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
await $dev '^Commands to paste' "$work/printed"
address() { sed -n "s/^$1 *//p" "$work/printed"; }

java -cp generated/app.jar:$jars/kotlin-stdlib.jar:$libraries PayKt "$(address Kasse)" "$(address Stripe)"
