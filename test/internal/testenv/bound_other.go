//go:build !linux

package testenv

import "syscall"

// bound lets a Ctrl-C in the terminal reach only this process.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
