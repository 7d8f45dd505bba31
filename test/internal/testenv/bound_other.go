//go:build !linux

package testenv

import "syscall"

// bound leaves a Ctrl-C in the terminal to us.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
