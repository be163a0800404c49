package router

import (
	"time"

	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// Limits bound what callers and versions may cost. Zero fields take the
// default.
type Limits struct {
	Head        int           // bytes of a request's head; default 64 KiB
	HeadWait    time.Duration // for a request's head; default 10 s
	IdleWait    time.Duration // of a caller's connection between requests; default 2 min
	CallerWait  time.Duration // for a caller to send or take the next bytes; default 60 s
	Body        int64         // bytes of a request's body; default 64 MiB
	Held        int           // bytes of a body that are held to be sent again; default 1 MiB
	HeldTotal   int64         // bytes held for all requests; default 256 MiB
	Requests    int64         // at a time; default 8192
	Connections int           // of callers at a time; default 16384
	Upstream    upstream.Limits
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Head, 64<<10)
	orDefault(&l.HeadWait, 10*time.Second)
	orDefault(&l.IdleWait, 2*time.Minute)
	orDefault(&l.CallerWait, time.Minute)
	orDefault(&l.Body, 64<<20)
	orDefault(&l.Held, 1<<20)
	orDefault(&l.HeldTotal, 256<<20)
	orDefault(&l.Requests, 8192)
	orDefault(&l.Connections, 16384)
	l.Upstream = l.Upstream.WithDefaults()
	return l
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
