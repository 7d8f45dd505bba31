package program

import "syscall"

// bound ties a process to this one: the kernel kills it when this process dies, even by SIGKILL. A Ctrl-C in
// the terminal reaches only this process.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
