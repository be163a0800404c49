package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// farAway is where the lock lies: such locks are mandatory, and the text at the
// start of the file has to stay readable.
const farAway = 1 << 30

// lockFile takes the lock of an open file, or returns errHeld at once.
func lockFile(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{Offset: farAway})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}

func unlockFile(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{Offset: farAway})
}
