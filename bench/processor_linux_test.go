package bench

import (
	"syscall"
	"time"
)

// processor is the processor time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // It never fails for oneself.
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
