package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json`. Source: go doc test2json; go help buildjson for ImportPath.
type event struct {
	Action     string
	Package    string
	Test       string
	ImportPath string // set for the events of a build
	Output     string
	Elapsed    float64 // seconds
}

// report prints progress and failures from a stream of events.
type report struct {
	out      io.Writer
	now      func() time.Time
	began    time.Time
	packages map[string]*progress // running packages
}

// progress is the state of a running package.
type progress struct {
	began   time.Time
	done    int                 // finished top-level tests
	running map[string]bool     // tests that are neither paused nor finished
	printed map[string][]string // output by test; "" is the package; dropped when the test passes
}

func newReport(out io.Writer, now func() time.Time) *report {
	return &report{out: out, now: now, began: now(), packages: map[string]*progress{}}
}

// follow reads events to their end. At each tick it prints a line for each running package. It prints other lines
// unchanged.
func (r *report) follow(events io.Reader, tick <-chan time.Time) error {
	lines, failed := make(chan string), make(chan error, 1)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(events)
		for {
			line, err := reader.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					failed <- err
				}
				return
			}
		}
	}()
	for {
		select {
		case line, more := <-lines:
			if !more {
				select {
				case err := <-failed:
					return err
				default:
					return nil
				}
			}
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(r.out, line)
				continue
			}
			r.add(e)
		case <-tick:
			r.showRunning()
		}
	}
}

// add processes one event and prints the result of a finished package.
func (r *report) add(e event) {
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
		return
	case "build-fail":
		return // its package fails as well
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &progress{began: r.now(), running: map[string]bool{}, printed: map[string][]string{}}
		r.packages[e.Package] = p
	}
	switch e.Action {
	case "output":
		p.printed[e.Test] = append(p.printed[e.Test], e.Output)
	case "run", "cont":
		p.running[e.Test] = true
	case "pause":
		delete(p.running, e.Test)
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.end(e, p)
			return
		}
		delete(p.running, e.Test)
		if !strings.Contains(e.Test, "/") {
			p.done++
		}
		if e.Action == "fail" {
			r.show(p, e.Test)
		}
		delete(p.printed, e.Test)
	}
}

// end prints the line of a finished package. For a failed package it prints the output of every test that did
// not pass, since a test cut short by a panic or timeout has no event of its own.
func (r *report) end(e event, p *progress) {
	delete(r.packages, e.Package)
	switch e.Action {
	case "fail":
		for _, test := range slices.Sorted(maps.Keys(p.printed)) {
			r.show(p, test)
		}
		fmt.Fprintf(r.out, "FAIL  %-40s %6.1f s\n", e.Package, e.Elapsed)
	case "pass":
		fmt.Fprintf(r.out, "ok    %-40s %6.1f s, %d tests\n", e.Package, e.Elapsed, p.done)
	} // a package without tests is skipped and needs no line
}

func (r *report) show(p *progress, test string) {
	fmt.Fprint(r.out, strings.Join(p.printed[test], ""))
}

// showRunning prints a line for each package that has been running longer than the period.
func (r *report) showRunning() {
	if len(r.packages) == 0 {
		fmt.Fprintf(r.out, "      compiling, for %.0f s\n", r.now().Sub(r.began).Seconds())
	}
	for _, name := range slices.Sorted(maps.Keys(r.packages)) {
		p := r.packages[name]
		if r.now().Sub(p.began) < period {
			continue
		}
		const most = 3
		tests := slices.Sorted(maps.Keys(p.running))
		rest := ""
		if len(tests) > most {
			rest = fmt.Sprintf(" and %d more", len(tests)-most)
		}
		fmt.Fprintf(r.out, "      %s, for %.0f s: %d tests ended; now %s%s\n",
			name, r.now().Sub(p.began).Seconds(), p.done, strings.Join(tests[:min(len(tests), most)], ", "), rest)
	}
}
