package main

import (
	"strings"
	"testing"
	"time"
)

const failing = `{"Action":"start","Package":"kasse/a"}
{"Action":"run","Package":"kasse/a","Test":"TestGood"}
{"Action":"output","Package":"kasse/a","Test":"TestGood","Output":"good: noise\n"}
{"Action":"pass","Package":"kasse/a","Test":"TestGood","Elapsed":1}
{"Action":"run","Package":"kasse/a","Test":"TestBad"}
{"Action":"output","Package":"kasse/a","Test":"TestBad","Output":"bad: the reason\n"}
{"Action":"fail","Package":"kasse/a","Test":"TestBad","Elapsed":1}
{"Action":"run","Package":"kasse/a","Test":"TestCut"}
{"Action":"output","Package":"kasse/a","Test":"TestCut","Output":"panic: in the middle\n"}
{"Action":"output","Package":"kasse/a","Output":"exit status 2\n"}
{"Action":"fail","Package":"kasse/a","Elapsed":2.5}
{"ImportPath":"kasse/b","Action":"build-output","Output":"b.go:1: syntax error\n"}
{"ImportPath":"kasse/b","Action":"build-fail"}
{"Action":"start","Package":"kasse/b"}
{"Action":"output","Package":"kasse/b","Output":"FAIL kasse/b [build failed]\n"}
{"Action":"fail","Package":"kasse/b","Elapsed":0,"FailedBuild":"kasse/b"}
{"Action":"start","Package":"kasse/c"}
{"Action":"pass","Package":"kasse/c","Elapsed":0.5}
not an event
`

// TestFailuresAreShown: the whole output of a failure is printed, but only the package line of a success.
func TestFailuresAreShown(t *testing.T) {
	var out strings.Builder
	if err := newReport(&out, time.Now).follow(strings.NewReader(failing), nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"bad: the reason\n", "panic: in the middle\n", "exit status 2\n", "FAIL  kasse/a", "syntax error",
		"[build failed]", "FAIL  kasse/b", "ok    kasse/c", "not an event\n",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not printed once:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "noise") {
		t.Errorf("the output of a passed test is shown:\n%s", out.String())
	}
}

// TestRunningPackagesAreNamed: a long-running package is printed with its running tests, without the paused
// ones.
func TestRunningPackagesAreNamed(t *testing.T) {
	var out strings.Builder
	now := time.Now()
	r := newReport(&out, func() time.Time { return now })
	r.showRunning()
	r.add(event{Action: "start", Package: "kasse/a"})
	r.add(event{Action: "run", Package: "kasse/a", Test: "TestDone"})
	r.add(event{Action: "pass", Package: "kasse/a", Test: "TestDone"})
	for _, test := range []string{"TestA", "TestB", "TestC", "TestD", "TestWaits"} {
		r.add(event{Action: "run", Package: "kasse/a", Test: test})
	}
	r.add(event{Action: "pause", Package: "kasse/a", Test: "TestWaits"})
	r.showRunning() // before the period is over
	now = now.Add(period)
	r.showRunning()
	want := "      compiling, for 0 s\n      kasse/a, for 15 s: 1 tests ended; now TestA, TestB, TestC and 1 more\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
