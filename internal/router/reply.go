package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/table"
)

// reply is the caller's side of an exchange: where the answer goes.
type reply struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	wait  time.Duration
	begun bool // the head was sent
	// unfinished reports that the caller's body may still be arriving; nil for
	// no.
	unfinished func() bool
}

func newReply(w http.ResponseWriter, wait time.Duration) *reply {
	return &reply{w: w, rc: http.NewResponseController(w), wait: wait}
}

// Header is the head to be sent.
func (o *reply) Header() http.Header { return o.w.Header() }

// head sends the head. The deadline is set anew for each answer and each piece
// of one, because a connection carries many. A connection whose request was not
// read to its end carries no other: what is left of it must never be taken for
// a request.
func (o *reply) head(status int) {
	o.begun = true
	o.bound()
	if o.unfinished != nil && o.unfinished() {
		o.Header().Set("Connection", "close")
	}
	o.w.WriteHeader(status)
}

func (o *reply) bound() { _ = o.rc.SetWriteDeadline(time.Now().Add(o.wait)) }

// write sends a piece of the body, and reports false when the caller is gone.
func (o *reply) write(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	o.bound()
	_, err := o.w.Write(p)
	return err == nil
}

// fullDuplex lets the answer begin while the body is still being read.
func (o *reply) fullDuplex() { _ = o.rc.EnableFullDuplex() }

// hint passes an interim answer on, with none of the fields of the final one.
func (o *reply) hint(status int, header http.Header) {
	if o.begun {
		return
	}
	own := o.w.Header()
	final := maps.Clone(own)
	clear(own)
	endToEnd(own, header)
	o.bound()
	o.w.WriteHeader(status)
	clear(own)
	maps.Copy(own, final)
}

// listed bounds the models that an answer lists.
const listed = 100

// noModel answers a request that matches no model.
func (o *reply) noModel(x *exchange, t *table.Table) {
	models := make([]map[string]string, 0, min(len(t.Routes), listed))
	for _, is := range t.Routes[:min(len(t.Routes), listed)] {
		models = append(models, map[string]string{"model": is.Model, "match": describe(is.Match)})
	}
	o.problem(http.StatusNotFound, fmt.Sprintf("no model takes %s %s at host %q", x.method, x.path, x.host), map[string]any{"models": models})
}

// describe spells what requests must look like to be a model's.
func describe(m table.Match) string {
	var parts []string
	if m.Host != "" {
		parts = append(parts, "host "+m.Host)
	}
	if m.PathPrefix != "" {
		parts = append(parts, "path "+m.PathPrefix)
	}
	if m.Header != "" {
		parts = append(parts, strings.TrimSpace("header "+m.Header+" "+m.HeaderValue))
	}
	if len(parts) == 0 {
		return "any request"
	}
	return strings.Join(parts, ", ")
}

func (o *reply) tooLarge(limit int64) {
	o.problem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", limit), nil)
}

// unread answers a request whose body could not be read.
func (o *reply) unread(err error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		o.tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		o.problem(http.StatusRequestTimeout, "the body did not arrive in time", nil)
	default:
		o.problem(http.StatusBadRequest, "the body broke off before the end that it announced; send it again", nil)
	}
}

// problem answers with an RFC 9457 body, if the answer has not begun.
func (o *reply) problem(status int, detail string, more map[string]any) {
	if o.begun {
		return
	}
	body := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail}
	maps.Copy(body, more)
	text, err := json.Marshal(body)
	if err != nil {
		text = []byte(`{}`)
	}
	h := o.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	o.head(status)
	_, _ = o.w.Write(append(text, '\n'))
}
