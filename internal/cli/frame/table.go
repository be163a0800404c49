package frame

import (
	"fmt"
	"strings"

	"github.com/belay-rollouts/belay/client"
)

// Table lists rollouts, one a line.
func (f Frame) Table(rollouts []client.Rollout) []string {
	head := []string{"NAME", "FROM", "TO", "PHASE", "STAGE", "WORST GATE", "EXPOSED", "AGE"}
	if f.Wide {
		head = append(head, "POLICY", "BY", "LAST")
	}
	rows := [][]string{head}
	for i := range rollouts {
		r := &rollouts[i]
		phase := f.phase(r)
		if r.Unguarded != "" && !client.Final(r.Phase) {
			phase += " " + f.Paint.Alarm("UNGUARDED")
		}
		row := []string{
			r.Name, r.Baseline.Version, r.Candidate.Version, phase,
			fmt.Sprintf("%s (%d of %d)", Percent(r.Stage.AskedPercent), r.Stage.Index+1, r.Stage.Of),
			worstGate(r), Count(r.Exposure.Requests), Span(f.age(r)),
		}
		if f.Wide {
			row = append(row, r.Policy, r.CreatedBy, lastText(r))
		}
		rows = append(rows, row)
	}
	return Columns(rows)
}

func lastText(r *client.Rollout) string {
	if r.Last == nil {
		return "-"
	}
	return fmt.Sprintf("#%d %s", r.Last.Seq, r.Last.Reason)
}

// worstGate is the gate that is nearest to a rollback: by its verdict, then by
// how far its evidence is on the way to its threshold.
func worstGate(r *client.Rollout) string {
	rank := map[client.Verdict]int{client.Fail: 4, client.NoData: 3, client.Undecided: 2, client.Pass: 1, client.Off: 0}
	var worst *client.Gate
	for i := range r.Gates {
		g := &r.Gates[i]
		if g.Info {
			continue
		}
		if worst == nil || rank[g.Verdict] > rank[worst.Verdict] ||
			rank[g.Verdict] == rank[worst.Verdict] && g.LogFail-g.LogFailAt > worst.LogFail-worst.LogFailAt {
			worst = g
		}
	}
	if worst == nil {
		return "-"
	}
	return worst.Gate + " " + strings.ToUpper(string(worst.Verdict))
}
