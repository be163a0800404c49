package rival

import (
	"context"
	"path/filepath"
)

func haproxy() Proxy {
	return Proxy{
		Name: "haproxy", Title: "HAProxy",
		About: "weights 90:10 by a consistent hash of the user, statistics, a log line with the times of each request into a ring in memory; `option http-no-delay` for streams, without which it holds events back for up to 200 ms",
		find: func(ctx context.Context, _ Places) (Program, error) {
			return system(ctx, "haproxy", "-v", `version (\S+)`)
		},
		run: func(ctx context.Context, program Program, s Setup) (*Running, error) {
			return start(ctx, "haproxy.cfg", program.Path, s.Core, values{Setup: s}, func(config string) []string {
				return []string{"-db", "-f", config}
			})
		},
	}
}

func nginx() Proxy {
	return Proxy{
		Name: "nginx", Title: "nginx",
		About: "`split_clients` 90:10 by the user, a log line with the times of each request into a file, by way of a buffer",
		find:  func(ctx context.Context, _ Places) (Program, error) { return findNginx(ctx) },
		run: func(ctx context.Context, program Program, s Setup) (*Running, error) {
			return start(ctx, "nginx.conf", program.Path, s.Core, values{Setup: s}, nginxArgs(s.Dir))
		},
	}
}

func nginxArgs(dir string) func(config string) []string {
	return func(config string) []string {
		return []string{"-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", config}
	}
}

func caddy() Proxy {
	return Proxy{
		Name: "caddy", Title: "Caddy",
		About: "weights 9:1 in turn: its policy by a header knows no weights; no log",
		find: func(_ context.Context, places Places) (Program, error) {
			return built(places.Built, "caddy", "github.com/caddyserver/caddy/v2")
		},
		run: func(ctx context.Context, program Program, s Setup) (*Running, error) {
			return start(ctx, "Caddyfile", program.Path, s.Core, values{Setup: s}, func(config string) []string {
				return []string{"run", "--config", config, "--adapter", "caddyfile"}
			})
		},
	}
}

func traefik() Proxy {
	return Proxy{Name: "traefik", Title: "Traefik", About: "weights 9:1 in turn: it follows a user by its own cookie alone; no log", find: findTraefik, run: runTraefik(false)}
}

func fastTraefik() Proxy {
	return Proxy{Name: "traefik-fast", Title: "Traefik fastProxy", About: "the same, with `experimental.fastProxy`", find: findTraefik, run: runTraefik(true)}
}

func findTraefik(_ context.Context, places Places) (Program, error) {
	return built(places.Built, "traefik", "github.com/traefik/traefik/v3")
}

func runTraefik(fast bool) func(context.Context, Program, Setup) (*Running, error) {
	return func(ctx context.Context, program Program, s Setup) (*Running, error) {
		v := values{Setup: s, Fast: fast}
		if _, err := write("traefik-routes.yml", v); err != nil {
			return nil, err
		}
		return start(ctx, "traefik.yml", program.Path, s.Core, v, func(config string) []string {
			return []string{"--configFile=" + config}
		})
	}
}

func plain() Proxy {
	return Proxy{
		Name: "reverseproxy", Title: "httputil.ReverseProxy",
		About: "a program of 100 lines around it (`bench/dataplane/plain`): the same hash of the user as Belay's, 90:10, a histogram of latencies for each arm",
		find: func(_ context.Context, places Places) (Program, error) {
			return ours(places.Plain, "net/http")
		},
		run: func(ctx context.Context, program Program, s Setup) (*Running, error) {
			return runOurs(ctx, program, s, []string{"-listen", "127.0.0.1:0", "-baseline", s.Upstreams[0], "-candidate", s.Upstreams[1]})
		},
	}
}
