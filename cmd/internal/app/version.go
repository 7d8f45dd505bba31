package app

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version names the version of the program, the commit that it was built from, and Go's version, in
// one line. Go stamps them where it builds in a checkout.
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
