package frame

import (
	"fmt"

	"github.com/belay-rollouts/belay/client"
)

// fewSegments is how many segments are shown beside the whole; Wide shows all
// that the server names.
const fewSegments = 3

// segmentLines is the table of the worst segments, the worst first.
func segmentLines(r *client.Rollout, p Painter, wide bool) []string {
	if len(r.Segments) == 0 {
		return nil
	}
	shown := r.Segments
	if !wide {
		shown = shown[:min(len(shown), fewSegments)]
	}
	head := []string{"WORST SEGMENTS", "GATE", "BASE", "CAND", "CHANGE", "E AGAINST", "VERDICT"}
	for i := range head {
		head[i] = p.head(head[i])
	}
	rows := [][]string{head}
	for i := range shown {
		g := &shown[i].Gate
		rows = append(rows, []string{
			clip(shown[i].Segment), g.Gate, level(g, atBaseline), level(g, atCandidate), change(g),
			fmt.Sprintf("%s of %s", eValue(g.LogFail), eValue(g.LogFailAt)), verdict(g, p),
		})
	}
	return append([]string{""}, Columns(rows)...)
}

// clip shortens a segment's name to what a line has room for.
func clip(name string) string {
	const room = 28
	if r := []rune(name); len(r) > room {
		return string(r[:room-1]) + "…"
	}
	return name
}
