package fakemodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxBody = 4 << 20
	// versionHeader says in each answer which version gave it, so that a test can see where a request went.
	versionHeader = "Fake-Version"
)

// ServeHTTP answers one request or probe as the faults of the moment demand.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(versionHeader, s.opts.Version)
	if probe := s.findProbe(r); probe != nil {
		s.tally.probe()
		health := s.faults.health()
		s.hang(r.Context(), health.hanging)
		probe(w, health)
		return
	}
	n, at := s.tally.start()
	defer s.tally.finish()
	drawn := s.faults.draw(n)
	body, err := read(w, r)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]any{"error": err.Error()})
		return
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	s.tally.remember(Request{
		Method: r.Method, Path: r.URL.RequestURI(), Proto: r.Proto, Host: r.Host,
		Header: r.Header.Clone(), Body: body, At: at,
	})
	s.hang(r.Context(), drawn.hanging)
	s.sleep(r.Context(), drawn.latency)
	if drawn.resetting {
		reset(w)
		return
	}
	s.answer(w, r, drawn, body)
}

// probeAgent is what the router calls itself when it probes.
const probeAgent = "belay-probe"

// findProbe gives what answers a probe, nil for a request.
func (s *Server) findProbe(r *http.Request) func(http.ResponseWriter, health) {
	ready := func(w http.ResponseWriter, h health) {
		writeJSON(w, statusOf(h.ready), map[string]any{"ready": h.ready})
	}
	// A probe of plain HTTP asks for a path like any other, and says who it is.
	if slices.Contains(s.opts.Probes, r.URL.Path) || r.UserAgent() == probeAgent {
		return ready
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	model := "/v2/models/" + s.opts.Model
	version := model + "/versions/" + s.opts.Version
	switch r.URL.Path {
	case "/v2/health/live":
		return func(w http.ResponseWriter, h health) {
			writeJSON(w, statusOf(h.live), map[string]any{"live": h.live})
		}
	case "/v2/health/ready", model + "/ready", version + "/ready":
		return ready
	case "/v2":
		return func(w http.ResponseWriter, _ health) {
			writeJSON(w, http.StatusOK, map[string]any{"name": "fakemodel", "version": s.opts.Version, "extensions": []string{}})
		}
	case model, version:
		return func(w http.ResponseWriter, h health) {
			writeJSON(w, http.StatusOK, map[string]any{
				"name": s.opts.Model, "versions": []string{s.opts.Version}, "platform": "fake",
				"inputs": h.inputs, "outputs": h.outputs,
			})
		}
	}
	return nil
}

func statusOf(good bool) int {
	if good {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// hang waits until the gate opens. It aborts the request if the caller or the server goes away instead: to return would
// be to answer, with an empty 200.
func (s *Server) hang(ctx context.Context, gate chan struct{}) {
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	case <-s.closed:
		panic(http.ErrAbortHandler)
	}
}

// sleep waits, and aborts the request as hang does.
func (s *Server) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	case <-s.closed:
		panic(http.ErrAbortHandler)
	}
}

// reset ends the connection so that the caller sees it reset: closing with a linger time of zero sends RST.
func reset(w http.ResponseWriter) {
	conn := hijack(w)
	if tcp, isTCP := conn.(*net.TCPConn); isTCP {
		_ = tcp.SetLinger(0) // A connection that is gone already is as good as reset.
	}
	_ = conn.Close()
}

// hijack takes the connection over. HTTP/2 has none to give away, so there the stream is aborted.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}

// answer gives the answer that was drawn.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, drawn fate, body []byte) {
	switch {
	case drawn.status != http.StatusOK:
		writeJSON(w, drawn.status, map[string]any{"error": "the fake was told to fail"})
	case drawn.broken != Whole:
		writeBroken(w, drawn.broken)
	case r.URL.Path == "/v2/models/"+s.opts.Model+"/infer",
		r.URL.Path == "/v2/models/"+s.opts.Model+"/versions/"+s.opts.Version+"/infer":
		s.infer(w, drawn, body)
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		writeJSON(w, http.StatusNotFound, map[string]any{"error": fmt.Sprintf("nothing is served at %q", r.URL.Path)})
	case s.opts.Handler != nil:
		s.opts.Handler.ServeHTTP(w, r)
	default:
		_, _ = io.WriteString(w, s.opts.Version) // A caller that is gone cannot be told so.
	}
}

// infer answers with the declared tensors, filled with zeros.
func (s *Server) infer(w http.ResponseWriter, drawn fate, body []byte) {
	var request struct {
		ID     string            `json:"id"`
		Inputs []json.RawMessage `json:"inputs"`
	}
	if err := json.Unmarshal(body, &request); err != nil || len(request.Inputs) == 0 {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "the body is not an inference request"})
		return
	}
	text := append([]byte(`{"model_name":`), mustJSON(s.opts.Model)...)
	text = append(append(text, `,"model_version":`...), mustJSON(s.opts.Version)...)
	if request.ID != "" {
		text = append(append(text, `,"id":`...), mustJSON(request.ID)...)
	}
	text = append(append(text, `,"outputs":`...), drawn.outputs...)
	write(w, http.StatusOK, append(text, '}'))
}

// render writes the output tensors, once for all answers until they change unless their data is given.
func render(tensors []Tensor, data func(tensor string) []any) []byte {
	outputs := make([]map[string]any, len(tensors))
	for i, tensor := range tensors {
		outputs[i] = filled(tensor)
		if data == nil {
			continue
		}
		if values := data(tensor.Name); values != nil {
			outputs[i]["data"], outputs[i]["shape"] = values, []int{len(values)}
		}
	}
	return mustJSON(outputs)
}

// filled is a tensor of zeros; a dimension that is open has length 1.
func filled(t Tensor) map[string]any {
	shape, size := make([]int64, len(t.Shape)), int64(1)
	for i, length := range t.Shape {
		shape[i] = max(length, 1)
		size *= shape[i]
	}
	data := make([]any, min(size, 1<<16))
	for i := range data {
		switch t.Datatype {
		case "BOOL":
			data[i] = false
		case "BYTES":
			data[i] = ""
		default:
			data[i] = 0
		}
	}
	return map[string]any{"name": t.Name, "datatype": t.Datatype, "shape": shape, "data": data}
}

// writeBroken gives a broken answer.
func writeBroken(w http.ResponseWriter, how Breakage) {
	switch how {
	case NotJSON:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>this is not JSON</html>")
	case NoOutputs:
		writeJSON(w, http.StatusOK, map[string]any{"ok": true})
	case OtherTensor:
		other := filled(Tensor{Name: "undeclared", Datatype: "INT64", Shape: []int64{2}})
		writeJSON(w, http.StatusOK, map[string]any{"outputs": []any{other}})
	case Garbage:
		conn := hijack(w)
		_, _ = io.WriteString(conn, "\x00\x01this is no HTTP\r\n\r\n")
		_ = conn.Close()
	case CutBody, Whole:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"outputs":[{"name":"y","data":[`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // Ends the connection in the middle of the body.
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	write(w, status, mustJSON(value))
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // Maps of strings, numbers and lists can always be written as JSON.
	}
	return text
}

func write(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // A caller that is gone cannot be told so.
}

// read reads a whole body, up to the bound.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	bounded := http.MaxBytesReader(w, r.Body, maxBody)
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		return io.ReadAll(bounded)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(bounded, body)
	return body, err
}
