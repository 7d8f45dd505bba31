package program

import "syscall"

// bound makes the kernel kill a child when this process dies, even by SIGKILL. A Ctrl-C in the terminal reaches only
// this process.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
