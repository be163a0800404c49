package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/belay-rollouts/belay/client"
)

// server stands in for a Belay server in the examples.
func server(kind, body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		if kind == "application/problem+json" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_, _ = io.WriteString(w, body)
	}))
}

func ExampleClient_Watch() {
	srv := server("text/event-stream", `data: {"type":"decision","rollout":"fraud-v7","seq":2,"decision":{"kind":"advance","sentence":"ADVANCE to 10%."}}

data: {"type":"status","rollout":"fraud-v7","status":{"phase":"Completed","last":{"kind":"complete"}}}

`)
	defer srv.Close()
	c, err := client.New(client.Options{Server: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range c.Watch(context.Background(), client.WatchRequest{Rollout: "fraud"}) {
		switch {
		case err != nil:
			fmt.Println("failed:", err)
		case event.Type == client.EventDecision:
			fmt.Println(event.Decision.Kind, event.Decision.Sentence)
		case event.Type == client.EventStatus:
			fmt.Println(event.Status.Phase)
		}
	}
	// Output:
	// advance ADVANCE to 10%.
	// Completed
}

func ExampleClient_Act() {
	srv := server("application/problem+json", `{"code":"refused","detail":"error_rate has failed; promote needs override and a reason"}`)
	defer srv.Close()
	c, err := client.New(client.Options{Server: srv.URL, Actor: "mira"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Act(context.Background(), client.ActRequest{Rollout: "fraud", Kind: client.ActPromote})
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(e.Code, "-", e.Detail)
	}
	// Output: refused - error_rate has failed; promote needs override and a reason
}

func ExampleClient_Outcomes() {
	srv := server("application/json", `{"accepted":1,"repeated":0,"unattributed":0,"refused":[]}`)
	defer srv.Close()
	c, err := client.New(client.Options{Server: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := c.Outcomes(context.Background(), []client.Outcome{
		{ID: "order-4711", Assignment: "the answer's Belay-Assignment", Metric: "correct", Value: 1},
	})
	fmt.Println(result.Accepted, err)
	// Output: 1 <nil>
}
