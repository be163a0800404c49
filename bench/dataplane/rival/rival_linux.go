package rival

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/process"
)

// readyWait is how long a proxy may take until it serves.
const readyWait = 30 * time.Second

// Proxy is something that is measured.
type Proxy struct {
	Name  string // in flags and files
	Title string // in tables and charts
	About string // what it does with a request
	Own   bool   // it is Belay
	find  func(context.Context, Places) (Program, error)
	run   func(context.Context, Program, Setup) (*Running, error)
}

// Places are where programs are that are not the system's.
type Places struct {
	Built  string // Caddy and Traefik
	Belay  string // the program
	Plain  string // the program
	Source string // the revision that Belay was built from
}

// Program is a program that is there.
type Program struct {
	Path, Version string
	Note          string // what else is worth knowing of it
}

// Setup says how a proxy is to be set up.
type Setup struct {
	Dir       string    // for its files; it is there, and empty
	Core      int       // to run on
	Upstreams [2]string // host:port of the baseline and of the candidate
	Streams   bool      // it will be asked for streams, not for inferences
}

// Running is a proxy that serves.
type Running struct {
	*process.Process
	Addr string
	Dir  string
	// Check says what is wrong with it, if anything; nil where nothing is known.
	Check func(context.Context) error
}

// Names lists all proxies.
func Names() []string {
	var out []string
	for _, p := range All() {
		out = append(out, p.Name)
	}
	return out
}

// All are all proxies, in the order in which they are shown.
func All() []Proxy {
	return append(belays(), haproxy(), nginx(), caddy(), traefik(), fastTraefik(), plain())
}

// Find looks for the program. The error says what is missing and how it is got.
func (p Proxy) Find(ctx context.Context, places Places) (Program, error) {
	program, err := p.find(ctx, places)
	if err != nil {
		return Program{}, fmt.Errorf("%s: %w", p.Name, err)
	}
	return program, nil
}

// Start starts the proxy and waits until it serves. It is stopped by its caller,
// or when ctx ends.
func (p Proxy) Start(ctx context.Context, program Program, s Setup) (*Running, error) {
	ready, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	r, err := p.run(ctx, program, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if err := r.await(ready, s.Streams); err != nil {
		r.Stop()
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return r, nil
}

// await asks until the proxy answers.
func (r *Running) await(ctx context.Context, streams bool) error {
	for {
		err := answers(ctx, r.Addr, streams)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
		if ended := r.Ended(); ended != nil {
			return ended
		}
	}
}

func answers(ctx context.Context, addr string, streams bool) error {
	if streams { // A POST would begin one.
		return load.Look(ctx, addr)
	}
	conn, _, err := load.Ask(ctx, addr, load.User(0))
	if err != nil {
		return err
	}
	return conn.Close()
}

// free finds an address of loopback that nobody uses.
func free(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

//go:embed config
var configs embed.FS

var templates = template.Must(template.ParseFS(configs, "config/*"))

// values are what configurations are filled with.
type values struct {
	Setup
	Listen string
	Fast   bool   // Traefik's fastProxy
	Arm    string // of an upstream
	Unit   string // of Belay
	Kind   string // protocol of Belay's model
}

// Port is the port of the address.
func (v values) Port() string { return v.Listen[strings.LastIndexByte(v.Listen, ':')+1:] }

// write writes a configuration into the folder of a setup and returns its path.
func write(name string, v values) (string, error) {
	path := filepath.Join(v.Dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	return path, errors.Join(templates.ExecuteTemplate(f, name, v), f.Close())
}

// start runs a program that listens at an address of its configuration.
func start(ctx context.Context, name, path string, core int, v values, args func(config string) []string) (*Running, error) {
	var err error
	if v.Listen, err = free(ctx); err != nil {
		return nil, err
	}
	config, err := write(name, v)
	if err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, process.Spec{
		Name: filepath.Base(path), Path: path, Args: args(config), Core: core, Dir: v.Dir,
		Env: []string{"GOMAXPROCS=1", "HOME=" + v.Dir, "XDG_CONFIG_HOME=" + v.Dir, "XDG_DATA_HOME=" + v.Dir},
	})
	if err != nil {
		return nil, err
	}
	return &Running{Process: p, Addr: v.Listen, Dir: v.Dir}, nil
}

// Upstream starts a server that answers as a model does, on a core. It is nginx.
func Upstream(ctx context.Context, dir, arm string, core int) (*Running, error) {
	program, err := findNginx(ctx)
	if err != nil {
		return nil, err
	}
	r, err := start(ctx, "upstream.conf", program.Path, core, values{Setup: Setup{Dir: dir}, Arm: arm}, nginxArgs(dir))
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	if err := r.await(ready, false); err != nil {
		r.Stop()
		return nil, fmt.Errorf("upstream %s: %w", arm, err)
	}
	return r, nil
}
