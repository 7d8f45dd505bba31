//go:build !linux

package program

import "syscall"

// bound makes a Ctrl-C in the terminal reach only this process.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
