package rival

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/process"
	"github.com/belay-rollouts/belay/client"
)

// belays are the ways in which Belay is measured. Those that this Belay cannot
// do are missing, and named so, until it can.
func belays() []Proxy {
	return []Proxy{
		belay("belay", "Belay", "sticky hash of the user out of a header, shield, cut-off, both arms' errors and latencies as evidence, the control loop with a gate on each", variant{}),
		belay("belay-json", "Belay, key in the body", "the same, with the user found in the JSON body by a pointer", variant{inBody: true}),
		belay("belay-net-http", "Belay, fast path off", "the first, with `--fast-path=off`", variant{flags: []string{"--fast-path=off"}}),
	}
}

// variant is a way in which Belay is set up.
type variant struct {
	inBody bool // the unit is in the body
	flags  []string
}

func belay(name, title, about string, v variant) Proxy {
	return Proxy{
		Name: name, Title: title, About: about, Own: true,
		find: func(ctx context.Context, places Places) (Program, error) {
			program, err := ours(places.Belay, places.Source)
			if err != nil {
				return Program{}, err
			}
			program.Note, err = v.supported(ctx, program)
			return program, err
		},
		run: func(ctx context.Context, program Program, s Setup) (*Running, error) {
			return v.run(ctx, program, s)
		},
	}
}

// supported says as which protocol this Belay serves streams, and fails when it
// cannot do what the variant needs.
func (v variant) supported(ctx context.Context, program Program) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	help, err := exec.CommandContext(ctx, program.Path, "serve", "--help").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its flags: %w", program.Path, err)
	}
	for _, flag := range v.flags {
		if name, _, _ := strings.Cut(flag, "="); !strings.Contains(string(help), name) {
			return "", fmt.Errorf("this Belay knows no %s", flag)
		}
	}
	dir, err := os.MkdirTemp("", "belay-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // A folder for temporary files.
	s := Setup{Dir: dir, Upstreams: [2]string{"127.0.0.1:1", "127.0.0.1:2"}}
	if _, _, err := v.documents(ctx, program, s); err != nil {
		return "", err
	}
	s.Streams = true
	_, kind, err := v.documents(ctx, program, s)
	if err != nil {
		return "no streams: " + err.Error(), nil
	}
	return "streams as protocol `" + kind + "`", nil
}

// documents writes the model and its rollout: of inferences by the Open Inference
// Protocol; of streams as the most that this Belay understands.
func (v variant) documents(ctx context.Context, program Program, s Setup) (path, kind string, err error) {
	kinds, pointer := []string{"v2"}, load.UserPointer
	if s.Streams {
		kinds, pointer = []string{"openai", "http"}, load.StreamUserPointer
	}
	unit := "header:" + load.UserHeader
	if v.inBody {
		unit = "json:" + pointer
	}
	for _, kind = range kinds {
		if path, err = write("belay.yml", values{Setup: s, Unit: unit, Kind: kind}); err != nil {
			return "", "", err
		}
		said, failed := exec.CommandContext(ctx, program.Path, "validate", path).CombinedOutput()
		if failed == nil {
			return path, kind, nil
		}
		first, _, _ := strings.Cut(string(said), "\n")
		err = fmt.Errorf("this Belay refuses a model of protocol %s by %s: %s", kind, unit, strings.TrimPrefix(first, path+":"))
	}
	return "", "", err
}

// run starts Belay and a rollout at 10 %.
func (v variant) run(ctx context.Context, program Program, s Setup) (*Running, error) {
	path, _, err := v.documents(ctx, program, s)
	if err != nil {
		return nil, err
	}
	documents, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--data", filepath.Join(s.Dir, "data"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "error", "--drain", "1s"}
	r, err := runOurs(ctx, program, s, append(args, v.flags...))
	if err != nil {
		return nil, err
	}
	if err := r.rollOut(ctx, documents, !s.Streams); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// runOurs starts a program that writes where it serves: a line "traffic URL" and,
// where it has an API, a line "admin URL".
func runOurs(ctx context.Context, program Program, s Setup, args []string) (*Running, error) {
	p, err := process.Start(ctx, process.Spec{
		Name: filepath.Base(program.Path), Path: program.Path, Args: args, Core: s.Core, Dir: s.Dir,
		Env: []string{"GOMAXPROCS=1", "HOME=" + s.Dir, "XDG_CONFIG_HOME=" + s.Dir},
	})
	if err != nil {
		return nil, err
	}
	r := &Running{Process: p, Dir: s.Dir}
	if r.Addr, err = r.address(ctx, "traffic"); err != nil {
		p.Stop()
		return nil, err
	}
	return r, nil
}

func (r *Running) address(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	line, err := r.Line(ctx)
	if err != nil {
		return "", err
	}
	url, found := strings.CutPrefix(line, name+" http://")
	if !found {
		return "", fmt.Errorf("it says %q, not where its %s is", line, name)
	}
	return url, nil
}

// rolloutName is the name of the rollout in config/belay.yml.
const rolloutName = load.Model + "-v2"

// rollOut applies the documents and waits until the rollout runs.
func (r *Running) rollOut(ctx context.Context, documents []byte, exposed bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	admin, err := r.address(ctx, "admin")
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{Server: "http://" + admin, Actor: "bench", Timeout: readyWait})
	if err != nil {
		return err
	}
	if _, err := c.Apply(ctx, client.ApplyRequest{Data: documents}); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	for {
		err := running(ctx, c, false)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
	r.Check = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, readyWait)
		defer cancel()
		return running(ctx, c, exposed)
	}
	return nil
}

// running says why the rollout does not give the candidate a tenth.
func running(ctx context.Context, c *client.Client, exposed bool) error {
	status, err := c.Status(ctx, rolloutName)
	if err != nil {
		return fmt.Errorf("ask for the rollout: %w", err)
	}
	switch {
	case status.Phase != client.Progressing:
		sentence := ""
		if status.Last != nil {
			sentence = ": " + status.Last.Sentence
		}
		return fmt.Errorf("the rollout is %s%s", status.Phase, sentence)
	case status.Traffic == nil:
		return errors.New("the data plane says nothing of the rollout")
	case math.Abs(status.Traffic.WeightPercent-10) > 1e-9:
		return fmt.Errorf("the candidate has a weight of %v %%", status.Traffic.WeightPercent)
	case exposed && status.Exposure.Requests == 0:
		return errors.New("the candidate has served nothing")
	}
	return nil
}
