#!/bin/sh
# resty's event source loses the event in which the connection ended
#
# Guess (28 November A, 41): a client that calls Get again after the end of a connection, as the
#             documentation of resty advises, gets each event once: Last-Event-ID names the last event that
#             was received.
# Behaviour:  the part of an event that arrived before the end counts as a whole event. Its id is sent as
#             Last-Event-ID, so the service goes on after it. The callback gets the part of the data that
#             arrived. If none arrived, the callback is not called. The HTML standard discards such a part.
# Versions:   resty.dev/v3 v3.0.0-rc.4.
# Matters:    each restart of the service or of a proxy can cost an event, for example that an order is paid.
#             An amount can lose its last digits.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"

	"resty.dev/v3"
)

// events are those of the service. An event ends with an empty line.
var events = []string{"id: 1\ndata: created\n\n", "id: 2\ndata: paid 12500\n\n", "id: 3\ndata: shipped\n\n"}

// run follows the events over two connections. The first one ends where the event 2 has sent a number of bytes.
func run(name string, bytesOfSecond int) {
	fmt.Println(name)
	connections := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections++
		last := r.Header.Get("Last-Event-ID")
		fmt.Printf("  connection %d, Last-Event-ID: %q\n", connections, last)
		w.Header().Set("Content-Type", "text/event-stream")
		if connections == 1 {
			_, _ = io.WriteString(w, events[0]+events[1][:bytesOfSecond])
			return
		}
		seen, _ := strconv.Atoi(last)
		for _, event := range events[seen:] {
			_, _ = io.WriteString(w, event)
		}
	}))
	defer service.Close()
	source := resty.NewSSESource().SetURL(service.URL)
	source.OnMessage(func(event any) { fmt.Printf("    received: %s\n", event.(*resty.SSE).Data) }, nil)
	for range 2 {
		_ = source.Get() // io.EOF at the end of each connection
	}
}

func main() {
	run("the connection ends after event 1", 0)
	run("it ends after the id of event 2", len("id: 2\n"))
	run("it ends in the data of event 2", len("id: 2\ndata: paid 125"))
}
END
go_modules resty.dev/v3@v3.0.0-rc.4
./finding >seen
compare <<'END'
the connection ends after event 1
  connection 1, Last-Event-ID: ""
    received: created
  connection 2, Last-Event-ID: "1"
    received: paid 12500
    received: shipped
it ends after the id of event 2
  connection 1, Last-Event-ID: ""
    received: created
  connection 2, Last-Event-ID: "2"
    received: shipped
it ends in the data of event 2
  connection 1, Last-Event-ID: ""
    received: created
    received: paid 125
  connection 2, Last-Event-ID: "2"
    received: shipped
END
