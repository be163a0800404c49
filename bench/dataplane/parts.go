//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/measure"
)

// parts are the commands that this program starts itself, as processes of their
// own on a core of their own. Each writes what it found as JSON, one a line.
var parts = map[string]func(args []string, in *os.File, out io.Writer) error{
	"open":    open,
	"streams": streams,
	"spin":    func([]string, *os.File, io.Writer) error { return load.Spin() },
}

func open(args []string, _ *os.File, out io.Writer) error {
	var o load.Open
	f := flag.NewFlagSet("open", flag.ContinueOnError)
	f.StringVar(&o.Addr, "addr", "", "host:port of the proxy")
	f.Float64Var(&o.Rate, "rate", 2000, "requests a second")
	f.DurationVar(&o.Warm, "warm", time.Second, "time that does not count")
	f.DurationVar(&o.For, "for", time.Second, "time that counts")
	f.IntVar(&o.Conns, "conns", 64, "connections")
	f.Uint64Var(&o.Seed, "seed", 1, "where chance comes from")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := load.Quiet(); err != nil {
		return err
	}
	found, err := o.Run()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(found)
}

// streams writes the addresses of its upstreams, reads that of the proxy, writes
// what it found, and keeps all streams open until its input ends.
func streams(args []string, in *os.File, out io.Writer) error {
	var s load.Streams
	f := flag.NewFlagSet("streams", flag.ContinueOnError)
	f.IntVar(&s.Streams, "streams", 200, "streams")
	f.Float64Var(&s.Rate, "rate", 100, "events a second, of each stream")
	f.DurationVar(&s.Warm, "warm", time.Second, "time that does not count")
	f.DurationVar(&s.For, "for", time.Second, "time that counts")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := load.Quiet(); err != nil {
		return err
	}
	ends, addrs, err := load.NewStreamer(s)
	if err != nil {
		return err
	}
	defer ends.Close()
	if err := json.NewEncoder(out).Encode(measure.Upstreams{Addrs: addrs}); err != nil {
		return err
	}
	addr, err := ends.Await(int(in.Fd()))
	if err != nil {
		return err
	}
	found, err := ends.Run(addr)
	if err != nil {
		return err
	}
	err = json.NewEncoder(out).Encode(found)
	_, rest := io.Copy(io.Discard, in)
	return errors.Join(err, rest)
}
