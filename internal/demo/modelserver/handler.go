package modelserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/digits"
)

// The tensors of the model, as metadata declares them and as requests must have them.
const (
	inputName    = "pixels"
	outputClass  = "class"
	outputScores = "scores"
)

var jsonType = []string{"application/json"}

// scratch is what one request needs of memory; it is used again by later ones.
type scratch struct {
	body   bytes.Buffer
	pixels []float32
	answer []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// ServeHTTP answers one request of the protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, found := s.find(r.URL.Path)
	switch {
	case !found:
		refuse(w, http.StatusNotFound, "nothing is served at %q", r.URL.Path)
	case what == endpointInfer && r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "inference wants POST, not %s", r.Method)
	case what == endpointInfer:
		s.infer(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "%q wants GET, not %s", r.URL.Path, r.Method)
	default:
		s.tell(w, what)
	}
}

// endpoint is one of the things that the protocol serves.
type endpoint int

const (
	endpointServer endpoint = iota
	endpointLive
	endpointReady
	endpointModel
	endpointModelReady
	endpointInfer
)

// find reads a path. Paths of another model or version are not found.
func (s *Server) find(path string) (endpoint, bool) {
	rest, isV2 := strings.CutPrefix(path, "/v2")
	switch {
	case !isV2:
		return 0, false
	case rest == "" || rest == "/":
		return endpointServer, true
	case rest == "/health/live":
		return endpointLive, true
	case rest == "/health/ready":
		return endpointReady, true
	}
	rest, isModel := strings.CutPrefix(rest, "/models/")
	rest, isOurs := strings.CutPrefix(rest, s.opts.Name)
	if !isModel || !isOurs {
		return 0, false
	}
	if versioned, is := strings.CutPrefix(rest, "/versions/"); is {
		if rest, isOurs = strings.CutPrefix(versioned, s.opts.Version); !isOurs {
			return 0, false
		}
	}
	switch rest {
	case "":
		return endpointModel, true
	case "/ready":
		return endpointModelReady, true
	case "/infer":
		return endpointInfer, true
	}
	return 0, false
}

// tell answers what is not inference.
func (s *Server) tell(w http.ResponseWriter, what endpoint) {
	ready := !s.closing.Load()
	switch what {
	case endpointServer:
		reply(w, http.StatusOK, s.about)
	case endpointModel:
		reply(w, http.StatusOK, s.metadata)
	case endpointLive:
		reply(w, http.StatusOK, []byte(`{"live":true}`))
	case endpointReady:
		reply(w, readyStatus(ready), fmt.Appendf(nil, `{"ready":%t}`, ready))
	default:
		reply(w, readyStatus(ready), fmt.Appendf(nil, `{"name":%s,"ready":%t}`, quote(s.opts.Name), ready))
	}
}

func readyStatus(ready bool) int {
	if ready {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// infer reads the tensors, asks the model, waits for the service time that was drawn, and answers.
func (s *Server) infer(w http.ResponseWriter, r *http.Request) {
	n, started := s.meter.start()
	defer s.meter.finished.Add(1)
	defer s.meter.underWay.Add(-1)
	if s.meter.underWay.Add(1) > maxUnderWay {
		s.meter.refused.Add(1)
		refuse(w, http.StatusServiceUnavailable, "more than %d requests are under way", maxUnderWay)
		return
	}
	memory := scratches.Get().(*scratch)
	defer scratches.Put(memory)
	status, err := s.answer(memory, r)
	if err != nil {
		s.meter.refused.Add(1)
		refuse(w, status, "%s", err)
		return
	}
	drawn := s.opts.Behaviour.draw(n)
	if drawn.slow {
		s.meter.slowed.Add(1)
	}
	if !wait(r.Context(), drawn.service-time.Since(started)) {
		panic(http.ErrAbortHandler) // The caller is gone, or the server was closed; to return would answer an empty 200.
	}
	if drawn.fail {
		s.meter.failed.Add(1)
		refuse(w, http.StatusInternalServerError, "the model failed")
		return
	}
	reply(w, http.StatusOK, memory.answer)
}

// wait sleeps on a timer, and says false if the context ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// answer fills memory.answer with the reply to the request, or returns the caller's mistake and its status.
func (s *Server) answer(memory *scratch, r *http.Request) (status int, err error) {
	memory.body.Reset()
	if _, err := memory.body.ReadFrom(http.MaxBytesReader(nil, r.Body, maxBody)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", maxBody)
		}
		return http.StatusBadRequest, fmt.Errorf("the body cannot be read: %w", err)
	}
	request, err := parse(memory.body.Bytes())
	if err != nil {
		return http.StatusBadRequest, err
	}
	memory.pixels, err = request.pixels(memory.pixels[:0])
	if err != nil {
		return http.StatusBadRequest, err
	}
	memory.answer = s.encode(memory.answer[:0], request, memory.pixels)
	return http.StatusOK, nil
}

// encode asks the model about every row and writes the reply.
func (s *Server) encode(to []byte, request inferRequest, pixels []float32) []byte {
	rows := len(pixels) / digits.Pixels
	classes := make([]int, rows)
	scores := make([][digits.Classes]float32, rows)
	for i := range rows {
		classes[i], scores[i] = s.opts.Model.Predict(pixels[i*digits.Pixels : (i+1)*digits.Pixels])
	}
	to = append(to, `{"model_name":`...)
	to = append(to, quote(s.opts.Name)...)
	to = append(to, `,"model_version":`...)
	to = append(to, quote(s.opts.Version)...)
	if request.ID != "" {
		to = append(to, `,"id":`...)
		to = append(to, quote(request.ID)...)
	}
	to = append(to, `,"outputs":[`...)
	for i, name := range request.wanted() {
		if i > 0 {
			to = append(to, ',')
		}
		if name == outputClass {
			to = encodeClasses(to, classes)
		} else {
			to = encodeScores(to, scores)
		}
	}
	return append(to, "]}"...)
}

func encodeClasses(to []byte, classes []int) []byte {
	to = fmt.Appendf(to, `{"name":"class","shape":[%d],"datatype":"INT64","data":[`, len(classes))
	for i, class := range classes {
		if i > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendInt(to, int64(class), 10)
	}
	return append(to, "]}"...)
}

func encodeScores(to []byte, scores [][digits.Classes]float32) []byte {
	to = fmt.Appendf(to, `{"name":"scores","shape":[%d,%d],"datatype":"FP32","data":[`, len(scores), digits.Classes)
	for i, row := range scores {
		for c, score := range row {
			if i+c > 0 {
				to = append(to, ',')
			}
			to = strconv.AppendFloat(to, float64(score), 'g', -1, 32)
		}
	}
	return append(to, "]}"...)
}

// quote writes a string as JSON.
func quote(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // A string can always be written as JSON.
	}
	return quoted
}

func reply(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // A caller that is gone cannot be told so.
}

// refuse answers with the protocol's form of an error.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	message := quote(fmt.Sprintf(format, args...))
	reply(w, status, append(append([]byte(`{"error":`), message...), '}'))
}
