#!/bin/sh
# Alertmanager gives up a notification when its webhook answers 429
#
# Guess (19): a webhook receiver that answers 429 with Retry-After: 1 gets the notification again
#             within seconds.
# Behaviour:  429 ends the attempt ("unrecoverable error after 1 attempts"). Alertmanager does not
#             read Retry-After: the next attempt is at the next group_interval (5 minutes by
#             default). After a 503 it tries again within a second.
# Versions:   prometheus-alertmanager 0.25.0-1+b4 (Debian 12), amd64.
# Matters:    when many alerts fire at once, a chat or pager gateway limits the requests, and the
#             page about payments arrives minutes late. A gateway that wants another attempt soon
#             has to answer 503.

. "$(dirname "$0")/lib/start.sh"
need node curl apt-get dpkg-deb
package=prometheus-alertmanager
apt-get download -qq "$package=0.25.0-1+b4" >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg-deb -x "$package"_*.deb root

cat >receiver.mjs <<'END'
import fs from 'node:fs';
import http from 'node:http';

const [status, notes] = process.argv.slice(2);
http.createServer((request, response) => {
  request.resume().on('end', () => {
    fs.appendFileSync(notes, 'attempt\n');
    response.writeHead(Number(status), { 'Retry-After': '1' }).end();
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(`${notes}.port`, String(this.address().port)); });
END

# page STATUS CONDITION starts the receiver, which answers with the status, and Alertmanager. It fires one alert, and
# waits until the command CONDITION succeeds.
page() {
	node receiver.mjs "$1" "attempts.$1" &
	started="$started $!"
	await "[ -s attempts.$1.port ]"
	cat >"$1.yml" <<-END
		route: {receiver: gateway, group_wait: 0s}
		receivers: [{name: gateway, webhook_configs: [{url: 'http://127.0.0.1:$(cat "attempts.$1.port")/'}]}]
	END
	api=127.0.0.1:$((30000 + $$ % 9000 + $1))
	root/usr/bin/$package --config.file "$1.yml" --storage.path "data.$1" --web.listen-address "$api" \
		--cluster.listen-address= 2>"$1.log" &
	started="$started $!"
	await "curl -fs http://$api/-/ready >/dev/null" || { cat "$1.log"; exit 2; }
	curl -fs "http://$api/api/v2/alerts" -H 'Content-Type: application/json' -d '[{"labels":{"alertname":"Unpaid"}}]'
	await "$2" || echo "$1: not seen within a minute: $2"
}

page 429 'grep -q "unrecoverable error after 1 attempts: unexpected status code 429" 429.log'
page 503 '[ "$(wc -l <attempts.503)" -ge 3 ]' 2>/dev/null
{
	echo "429: given up after $(wc -l <attempts.429) attempt"
	echo "503: three attempts, given up: $(grep -c unrecoverable 503.log)"
} >seen
compare <<'END'
429: given up after 1 attempt
503: three attempts, given up: 0
END
