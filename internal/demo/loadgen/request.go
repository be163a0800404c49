package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"
)

// maxAnswer bounds what is read of an answer; a real one is below 300 bytes.
const maxAnswer = 64 << 10

// work sends what is due until there is no more.
func (g *Generator) work() {
	var buffer bytes.Buffer
	for j := range g.due {
		answer := g.send(j, &buffer)
		answer.Latency = time.Since(j.at)
		g.record(answer)
		g.count.underWay.Add(-1)
	}
}

// record counts an answer and tells of it. What was cut off by Stop says nothing about the server, and is not told.
func (g *Generator) record(answer Answer) {
	defer g.count.ended.Add(1)
	if answer.Err != nil && g.ctx.Err() != nil {
		g.count.abandoned.Add(1)
		return
	}
	switch {
	case answer.Err != nil:
		g.count.failed.Add(1)
	case answer.Predicted != answer.Label:
		g.count.wrong.Add(1)
	}
	if answer.Shielded {
		g.count.shielded.Add(1)
	}
	if g.opts.OnAnswer != nil {
		g.opts.OnAnswer(answer)
	}
}

// send makes one request and reads its answer into the buffer. It never tries a second time: what failed is to be seen.
func (g *Generator) send(j job, buffer *bytes.Buffer) Answer {
	answer := Answer{Digit: j.digit, Label: g.opts.Digits[j.digit].Label, Due: j.at}
	body := g.bodies[j.digit]
	request := (&http.Request{
		Method: http.MethodPost, URL: g.url, Host: g.url.Host, Header: g.header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		// Without GetBody the transport could not use another connection when the server has closed an idle one.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}).WithContext(g.ctx)
	response, err := g.client.Do(request)
	if err != nil {
		answer.Err = fmt.Errorf("ask about digit %d: %w", j.digit, err)
		return answer
	}
	defer response.Body.Close()
	answer.Status = response.StatusCode
	answer.Arm = response.Header.Get("Belay-Arm")
	answer.Assignment = response.Header.Get("Belay-Assignment")
	answer.Shielded = response.Header.Get("Belay-Shielded") == "true"
	buffer.Reset()
	if _, err := buffer.ReadFrom(io.LimitReader(response.Body, maxAnswer)); err != nil {
		answer.Err = fmt.Errorf("read the answer about digit %d: %w", j.digit, err)
		return answer
	}
	if response.StatusCode != http.StatusOK {
		answer.Err = fmt.Errorf("ask about digit %d: status %d: %.200s", j.digit, response.StatusCode, buffer.Bytes())
		return answer
	}
	answer.Predicted, answer.Err = class(buffer.Bytes())
	return answer
}

// class reads the class out of an inference answer about one digit.
func class(body []byte) (int, error) {
	var answer struct {
		Outputs []struct {
			Name string    `json:"name"`
			Data []float64 `json:"data"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("the answer is no inference answer: %w", err)
	}
	for _, output := range answer.Outputs {
		if output.Name != "class" {
			continue
		}
		if len(output.Data) != 1 || output.Data[0] != math.Trunc(output.Data[0]) {
			return 0, fmt.Errorf("the answer's class is %v, not one whole number", output.Data)
		}
		return int(output.Data[0]), nil
	}
	return 0, errors.New("the answer has no output named \"class\"")
}
