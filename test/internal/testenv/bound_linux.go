package testenv

import "syscall"

// bound ties a process to this one: it dies with it, even by SIGKILL, and a Ctrl-C in the terminal is left to us.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
