#!/bin/sh
# resty and fetch-event-source lose the event in which the connection ended
#
# Guess (28 November A, 41 and 68): a client of server-sent events that connects again gets each event once.
#             Last-Event-ID names the last event that was received.
# Behaviour:  resty (a caller that calls Get again, as its documentation advises) and fetch-event-source count
#             an event as received when its id has arrived. The service goes on after it. resty also hands
#             the part of the data that has arrived to the callback. The HTML standard discards such a part,
#             as eventsource, eventsource-client and undici do.
# Versions:   resty.dev/v3 v3.0.0-rc.4, @microsoft/fetch-event-source 2.0.1, eventsource 4.1.1,
#             eventsource-client 1.2.0, undici 8.13.1, node 24.21.0 (npm).
# Matters:    each restart of the service or of a proxy can cost an event, for example that an order is paid.
#             With resty an amount can lose its last digits.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"resty.dev/v3"
)

// main follows the events of a URL over two connections.
func main() {
	source := resty.NewSSESource().SetURL(os.Args[1])
	source.OnMessage(func(event any) { fmt.Println(event.(*resty.SSE).Data) }, nil)
	for range 2 {
		_ = source.Get() // io.EOF at the end of each connection
	}
}
END
go_modules resty.dev/v3@v3.0.0-rc.4
npm_packages @microsoft/fetch-event-source@2.0.1 eventsource@4.1.1 eventsource-client@1.2.0 undici@8.13.1 node@24.21.0
cat >follow.mjs <<'END'
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource } from 'eventsource';
import { createEventSource } from 'eventsource-client';
import { EventSource as UndiciEventSource } from 'undici';

// fetch-event-source expects a page.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

const events = ['id: 1\ndata: created\n\n', 'id: 2\ndata: paid 12500\n\n', 'id: 3\ndata: shipped\n\n'];
const cuts = {
  'after event 1': '',
  'after the id of event 2': 'id: 2\n',
  'in the data of event 2': 'id: 2\ndata: paid 125',
};
setTimeout(() => process.exit(1), 50000); // a client that never gets event 3

const standard = (Source) => (url, received) => {
  const source = new Source(url);
  source.onmessage = ({ data }) => received(data);
  return () => source.close();
};
const clients = {
  resty(url, received) {
    const program = spawn('./finding', [url]);
    program.stdout.on('data', (lines) => lines.toString().trim().split('\n').forEach(received));
    return () => program.kill();
  },
  'fetch-event-source'(url, received) {
    const controller = new AbortController();
    const onmessage = ({ data }) => data && received(data);
    fetchEventSource(url, { signal: controller.signal, openWhenHidden: true, onmessage, onerror: () => 50 });
    return () => controller.abort();
  },
  eventsource: standard(EventSource),
  'eventsource-client'(url, received) {
    const source = createEventSource({ url, onMessage: ({ data }) => received(data) });
    return () => source.close();
  },
  undici: standard(UndiciEventSource),
};

// follow returns what a client receives over two connections. The first one ends after the part of event 2.
async function follow(client, part) {
  const received = [];
  let stop, connections = 0;
  await new Promise((done) => {
    const service = createServer((request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (connections++ === 0) {
        response.write(`retry: 50\n\n${events[0]}${part}`);
        setTimeout(() => response.destroy(), 200);
        return;
      }
      const last = request.headers['last-event-id'];
      received.push(`(Last-Event-ID ${last})`);
      response.write(events.slice(Number(last)).join(''));
    }).listen(0, '127.0.0.1', () => {
      stop = client(`http://127.0.0.1:${service.address().port}`, (data) => {
        received.push(data);
        if (data === 'shipped') done();
      });
    });
  });
  stop();
  return received.join(', ');
}

for (const [name, client] of Object.entries(clients)) {
  console.log(name);
  for (const [cut, part] of Object.entries(cuts)) {
    console.log(`  the connection ends ${cut}: ${await follow(client, part)}`);
  }
}
process.exit();
END
node_modules/.bin/node follow.mjs >seen
compare <<'END'
resty
  the connection ends after event 1: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends after the id of event 2: created, (Last-Event-ID 2), shipped
  the connection ends in the data of event 2: created, paid 125, (Last-Event-ID 2), shipped
fetch-event-source
  the connection ends after event 1: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends after the id of event 2: created, (Last-Event-ID 2), shipped
  the connection ends in the data of event 2: created, (Last-Event-ID 2), shipped
eventsource
  the connection ends after event 1: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends after the id of event 2: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends in the data of event 2: created, (Last-Event-ID 1), paid 12500, shipped
eventsource-client
  the connection ends after event 1: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends after the id of event 2: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends in the data of event 2: created, (Last-Event-ID 1), paid 12500, shipped
undici
  the connection ends after event 1: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends after the id of event 2: created, (Last-Event-ID 1), paid 12500, shipped
  the connection ends in the data of event 2: created, (Last-Event-ID 1), paid 12500, shipped
END
