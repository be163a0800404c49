// Package rival sets up what is measured: Belay, and the proxies that it is
// compared with, each on one core with the same two upstreams.
//
// Each Proxy knows its program, its configuration (in the folder config) and how
// to tell that it is ready. Wherever a rival can do what Belay does, it is asked
// to: a share of 90 to 10 that follows the user, and a record of each request.
// Where it cannot, it is left out in the rival's favour, and its About says so.
// A program that is not there is an error that says by name how it is installed;
// nothing is passed over in silence.
//
// The folders caddy and traefik are modules of their own that pin the versions
// of these two; nothing of ours imports them. HAProxy, nginx and wrk are those of
// the system.
package rival
