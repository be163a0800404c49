package row_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/belay-rollouts/belay/internal/check/row"
)

func BenchmarkRows(b *testing.B) {
	const rows = 10_000
	var table, objects bytes.Buffer
	table.WriteString("id,time,status,latency_ms,country,output\n")
	for i := range rows {
		fmt.Fprintf(&table, "req-%d,2026-11-23T12:00:00Z,200,%d.5,NZ,fraud\n", i, i%300)
		fmt.Fprintf(&objects, `{"id":"req-%d","time":"2026-11-23T12:00:00Z","status":200,"latency_ms":%d.5,"country":"NZ","output":"fraud"}`+"\n", i, i%300)
	}
	for name, data := range map[string][]byte{"CSV": table.Bytes(), "JSON": objects.Bytes()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, err := row.Open("x", bytes.NewReader(data))
				if err == nil {
					err = r.Select([]string{"status", "latency_ms"})
				}
				n := 0
				for err == nil {
					_, err = r.Next()
					n++
				}
				if n != rows+1 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
