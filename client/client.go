package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultServer is where a server answers unless told otherwise.
const DefaultServer = "http://127.0.0.1:7070"

const (
	defaultTimeout = 30 * time.Second
	defaultTries   = 4
	// maxAnswer bounds what is read of one answer.
	maxAnswer = 64 << 20
)

// Options say which server to speak to, and how. The zero value speaks to
// DefaultServer.
type Options struct {
	// Server is the base URL of the server's admin address.
	Server string
	// Actor names who asks; it is kept in the decision log.
	Actor string
	// Timeout bounds one call with all its tries; 30 s by default. Watch is
	// bounded by its context alone.
	Timeout time.Duration
	// Tries is how often a call is sent at most; 4 by default, 1 for no
	// repetition.
	Tries int
	// HTTP sends the requests; by default a client of its own with bounded
	// connection times. Its own timeout must be 0 for Watch to last.
	HTTP *http.Client
	// UserAgent is sent along.
	UserAgent string
}

// Client speaks to one server.
type Client struct {
	base    *url.URL
	options Options
	http    *http.Client
	// pause waits between tries; tests replace it.
	pause func(attempt int, least time.Duration) time.Duration
}

// New returns a client. It sends nothing yet.
func New(o Options) (*Client, error) {
	if o.Server == "" {
		o.Server = DefaultServer
	}
	base, err := url.Parse(o.Server)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", o.Server, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("server %q is no URL of a server; write one such as %s", o.Server, DefaultServer)
	}
	if strings.ContainsAny(o.Actor, "\r\n") {
		return nil, errors.New("the actor's name has a line break")
	}
	o.Timeout = positive(o.Timeout, defaultTimeout)
	if o.Tries <= 0 {
		o.Tries = defaultTries
	}
	if o.UserAgent == "" {
		o.UserAgent = "belay-client"
	}
	c := &Client{base: base, options: o, http: o.HTTP, pause: backOff}
	if c.http == nil {
		c.http = &http.Client{Transport: newTransport()}
	}
	return c, nil
}

// Server is the base URL that the client speaks to.
func (c *Client) Server() string { return strings.TrimSuffix(c.base.String(), "/") }

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: defaultTimeout,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
	}
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
