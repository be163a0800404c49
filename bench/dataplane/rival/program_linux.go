package rival

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// lookWait is how long a program may take to tell its version.
const lookWait = 10 * time.Second

// system finds a program of the system. Debian keeps servers where the path of a
// user does not lead.
func system(ctx context.Context, name, flag, version string) (Program, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return Program{}, fmt.Errorf("there is no program %s: install it, as with `apt-get install %s`", name, name)
	}
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, flag).CombinedOutput() // wrk tells it, and fails.
	found := regexp.MustCompile(version).FindSubmatch(said)
	if found == nil {
		return Program{}, fmt.Errorf("%s does not tell its version: %w: %s", path, errors.Join(err), said)
	}
	return Program{Path: path, Version: string(found[1])}, nil
}

// Wrk finds wrk, which saturates the proxies.
func Wrk(ctx context.Context) (Program, error) { return system(ctx, "wrk", "-v", `wrk (\S+)`) }

func findNginx(ctx context.Context) (Program, error) {
	return system(ctx, "nginx", "-v", `nginx/(\S+)`)
}

// built finds a program that was built from a module.
func built(dir, name, module string) (Program, error) {
	path := filepath.Join(dir, name)
	info, err := buildinfo.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Program{}, fmt.Errorf("there is no program %s: `make rivals` builds it, which needs the Go module proxy and some minutes", path)
	}
	if err != nil {
		return Program{}, fmt.Errorf("read %s: %w", path, err)
	}
	if info.Main.Path == module {
		return Program{Path: path, Version: info.Main.Version + " (" + info.GoVersion + ")"}, nil
	}
	return Program{}, fmt.Errorf("%s was not built from %s; `make rivals` builds it", path, module)
}

// ours finds a program of ours that was built for this.
func ours(path, source string) (Program, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return Program{}, fmt.Errorf("it was not built: %w", err)
	}
	return Program{Path: path, Version: strings.TrimSpace(source + " (" + info.GoVersion + ")")}, nil
}
