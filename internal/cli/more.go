package cli

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

func newSchema(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the files, for editors and CI",
		Args:  takes(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := s.out.Write(spec.Schema())
			return err
		},
	}
}

// versions says which program this is, and which server it speaks to.
type versions struct {
	Client string              `json:"client"`
	Server *client.VersionInfo `json:"server,omitempty"`
}

func newVersion(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program, and of the server if one answers",
		Args:  takes(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: ownVersion()}
			if info, err := s.askVersion(cmd.Context()); err == nil {
				v.Server = &info
			}
			return s.show(shown{
				data: v,
				name: func() []string { return []string{v.Client} },
				table: func(bool) []string {
					lines := []string{"belay " + v.Client}
					if v.Server == nil {
						return append(lines, "no server answers at "+s.settings.Server)
					}
					return append(lines, fmt.Sprintf("server %s (%s) at %s", v.Server.Version, v.Server.Go, s.settings.Server))
				},
			})
		},
	}
}

func (s *session) askVersion(ctx context.Context) (client.VersionInfo, error) {
	c, err := client.New(client.Options{Server: s.settings.Server, Timeout: time.Second, Tries: 1})
	if err != nil {
		return client.VersionInfo{}, err
	}
	defer c.Close()
	return c.Version(ctx)
}

// ownVersion is the version as the Go toolchain wrote it into the binary.
func ownVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// completeWithin bounds a look at the server while somebody presses TAB.
const completeWithin = time.Second

// complete asks the server for names; without a server there are none.
func (s *session) complete(cmd *cobra.Command, ask func(context.Context, *client.Client) []string) ([]string, cobra.ShellCompDirective) {
	const nothingElse = cobra.ShellCompDirectiveNoFileComp
	if err := s.load(cmd); err != nil {
		return nil, nothingElse
	}
	c, err := client.New(client.Options{Server: s.settings.Server, Timeout: completeWithin, Tries: 1})
	if err != nil {
		return nil, nothingElse
	}
	defer c.Close()
	return ask(cmd.Context(), c), nothingElse
}

func (s *session) completeRollouts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.completeNames(cmd, args, client.ListRequest{})
}

func (s *session) completeActive(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.completeNames(cmd, args, client.ListRequest{Active: true})
}

// completeNames offers rollouts, each with its phase as the description.
func (s *session) completeNames(cmd *cobra.Command, args []string, r client.ListRequest) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, c *client.Client) []string {
		rollouts, err := c.List(ctx, r)
		if err != nil {
			return nil
		}
		return names(rollouts, func(r client.Rollout) string { return r.Name + "\t" + string(r.Phase) })
	})
}

func (s *session) completeModels(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, c *client.Client) []string {
		models, err := c.Models(ctx)
		if err != nil {
			return nil
		}
		return names(models, func(m client.Model) string { return m.Name + "\tserves " + m.Serving.Version })
	})
}

func (s *session) completePolicies(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(cmd, func(ctx context.Context, c *client.Client) []string {
		policies, err := c.Policies(ctx)
		if err != nil {
			return nil
		}
		return names(policies, func(p client.Policy) string { return p.Name })
	})
}
