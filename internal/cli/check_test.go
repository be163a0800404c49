package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestChecks plays each script of testdata/check: no server runs, and none is
// missed. The example's files are real answers; what is shown of them is compared
// letter by letter.
func TestChecks(t *testing.T) {
	t.Parallel()
	example, err := filepath.Abs("../../examples/check")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/check", RequireExplicitExec: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLE", example)
			env.Setenv("BELAY_SERVER", "http://127.0.0.1:1")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir)
			env.Setenv("TMPDIR", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}
