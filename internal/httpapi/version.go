package httpapi

import (
	"runtime/debug"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// Version says which Belay this process is, from what the Go toolchain wrote
// into the binary.
func Version() api.VersionInfo {
	out := api.VersionInfo{Version: "devel", SchemaVersion: spec.APIVersion}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	out.Go = info.GoVersion
	if v := info.Main.Version; v != "" && v != "(devel)" {
		out.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			out.Revision = s.Value
		case "vcs.time":
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				out.BuiltAt = at
			}
		}
	}
	return out
}
