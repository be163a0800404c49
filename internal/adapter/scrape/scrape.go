// Package scrape reads the metrics page of a server over HTTP, in the text
// format of Prometheus or of OpenMetrics.
//
// A page is read whole and no further than its bounds: so many bytes, also of
// what was compressed, and so many selected series. What is not selected is
// passed over and takes no memory. Redirects are not followed, because the next
// reading might be of another server. A page of anything else than metrics is an
// error and never an empty page. The time of a request is bounded by its
// context; a server that is slow, floods or lies costs one reading and nothing
// else.
package scrape

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/metric"
)

// Bounds of one page.
const (
	// MaxBody is how many bytes a page may have, uncompressed.
	MaxBody = 16 << 20
	// MaxSeries is how many series a page may have that are selected.
	MaxSeries = 10_000
	// maxHeader bounds the headers of an answer.
	maxHeader = 64 << 10
	// maxError bounds the text of an error.
	maxError = 240
)

// Source reads pages over HTTP.
type Source struct {
	client    *http.Client
	transport *http.Transport
}

var _ metric.Source = (*Source)(nil)

// idle is how long a connection is kept between readings: long enough for the
// next one.
const idle = time.Minute

// New returns a Source. Close it in the end.
func New() *Source {
	t := &http.Transport{
		DialContext:            (&net.Dialer{KeepAlive: idle}).DialContext,
		MaxIdleConnsPerHost:    1,
		MaxIdleConns:           256,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // What was compressed is bounded here.
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Source{transport: t, client: &http.Client{Transport: t, CheckRedirect: stay}}
}

// Close closes connections that are not in use.
func (s *Source) Close() { s.transport.CloseIdleConnections() }

// accept asks for the text formats; the second is for servers that know no other.
const accept = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"

// Read implements metric.Source. The address is that of the page itself.
func (s *Source) Read(ctx context.Context, address string, want []query.Selector) (query.Page, error) {
	page, err := s.read(ctx, address, want)
	if err != nil {
		return nil, oneLine(ctx, err)
	}
	return page, nil
}

func (s *Source) read(ctx context.Context, address string, want []query.Selector) (query.Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("the address cannot be asked: %w", err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", "belay")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := suitable(resp); err != nil {
		return nil, err
	}
	body, err := plain(resp)
	if err != nil {
		return nil, err
	}
	return Parse(&bounded{r: body, left: MaxBody}, want)
}

// Parse reads the text of a page.
func Parse(r io.Reader, want []query.Selector) (query.Page, error) {
	lines, err := choose(r, want)
	if err != nil {
		return nil, err
	}
	return lines.page(want)
}

// suitable refuses answers that are no metrics.
func suitable(resp *http.Response) error {
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		return fmt.Errorf("it sends readers on (%s) to %s: write that address", resp.Status, clip(to))
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", clip(resp.Status))
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return nil //nolint:nilerr // Without a type the page itself will show.
	}
	switch {
	case kind == "text/html":
		return errHTML
	case kind == "application/json", strings.HasSuffix(kind, "protobuf"), strings.HasPrefix(kind, "image/"):
		return fmt.Errorf("it answers %s, not metrics in text", kind)
	}
	return nil
}

var errHTML = errors.New("it answers HTML, not metrics: write the address of the metrics page")

// plain returns the body uncompressed.
func plain(resp *http.Response) (io.Reader, error) {
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return resp.Body, nil
	case "gzip":
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, fmt.Errorf("its answer is no gzip, as it says: %w", err)
		}
		return z, nil
	default:
		return nil, fmt.Errorf("its answer is compressed in a way that was not asked for: %s", clip(encoding))
	}
}

// bounded reads so many bytes and then fails.
type bounded struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		// Only a page that ends exactly here may be as long as that.
		var one [1]byte
		if n, err := b.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("its page has more than %d MiB", MaxBody>>20)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// oneLine makes one short line of an error, without the address that the caller
// knows.
func oneLine(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("it did not answer in time")
	case ctx.Err() != nil:
		return errors.New("the reading was given up")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("its answer breaks off")
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection without an answer")
	}
	return errors.New(clip(err.Error()))
}

// clip makes a short line of a text that others wrote.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxError {
		return strings.ToValidUTF8(s[:maxError], "") + "…"
	}
	return s
}
