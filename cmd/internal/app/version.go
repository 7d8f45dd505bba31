package app

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version returns the program's version, commit and Go version in one line. Go stamps them when it builds in
// a checkout.
func Version() string {
	version, commit := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		modified := ""
		for _, setting := range info.Settings {
			switch {
			case setting.Key == "vcs.revision":
				commit = setting.Value
			case setting.Key == "vcs.modified" && setting.Value == "true":
				modified = ", modified"
			}
		}
		commit += modified
	}
	return fmt.Sprintf(
		"kasse %s (commit %s; %s %s/%s)", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH,
	)
}
