package fakemodel

import (
	"net/http"
	"strings"
	"testing"
)

func BenchmarkInfer(b *testing.B) {
	s := Start(b, Options{})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b.ReportAllocs()
	for b.Loop() {
		response, err := client.Post(s.InferURL(), "application/json", strings.NewReader(question))
		if err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
	}
}
