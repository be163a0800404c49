package load

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Spin keeps this process's core from sleeping, with whatever time nobody else
// wants (SCHED_IDLE), and never returns. Waking a virtual core takes tens of
// microseconds, which are the machine's and no proxy's.
func Spin() error {
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("ask for idle time only: %w", err)
	}
	for i := uint64(0); ; i++ { // A loop that the compiler keeps and that stays preemptible.
		if i&(1<<20-1) == 0 {
			runtime.Gosched()
		}
	}
}
