// Command cli serves the Stripe simulator on a free loopback port and prints its address. run.sh uses it with
// Stripe's own CLI.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"kasse/service/stripe/stripesim"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	sim := stripesim.New(stripesim.Options{})
	defer sim.Close()
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
