// Command belay rolls new versions of served models out in stages, judged on
// evidence. `belay --help` lists what it does.
package main

import (
	"os"

	"github.com/belay-rollouts/belay/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
