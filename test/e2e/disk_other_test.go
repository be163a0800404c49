//go:build !linux

package e2e

// prepareDisk does nothing where no process can have a disk of its own.
func prepareDisk() error { return nil }
