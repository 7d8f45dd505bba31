//go:build !linux

package town

import "syscall"

// bound leaves a Ctrl-C in the terminal to us.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
