//go:build unix

// Command profiled is the product with a profile of its processor time: from
// SIGUSR1 to SIGUSR2, into the file cpu.pprof of the folder that it runs in. It
// is for `go run ./bench/dataplane -profile FILE` alone.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/belay-rollouts/belay/internal/cli"
)

func main() {
	orders := make(chan os.Signal, 1)
	signal.Notify(orders, syscall.SIGUSR1, syscall.SIGUSR2)
	go follow(orders)              // It ends with the program.
	os.Exit(cli.Main(os.Args[1:])) //nolint:forbidigo // This is the product, but for the profile.
}

// follow begins and ends profiles as it is told.
func follow(orders <-chan os.Signal) {
	var file *os.File
	for order := range orders {
		switch {
		case order == syscall.SIGUSR1 && file == nil:
			var err error
			if file, err = os.Create("cpu.pprof.part"); err == nil {
				err = pprof.StartCPUProfile(file)
			}
			complain(err)
		case order == syscall.SIGUSR2 && file != nil:
			pprof.StopCPUProfile()
			complain(file.Close())
			complain(os.Rename(file.Name(), "cpu.pprof"))
			file = nil
		}
	}
}

func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "the profile failed:", err)
	}
}
