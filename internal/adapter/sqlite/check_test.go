package sqlite_test

import (
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
)

func TestCheckNamesTheRecordThatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		statements []string
		want       []sqlite.Damage // What: how it begins
	}{
		"nothing is wrong": {nil, nil},
		"a sentence was changed": {
			[]string{`UPDATE log SET body = replace(body, 'entry 4', 'entry X') WHERE seq = 4`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 4, What: "its hash is"}},
		},
		"a body is no JSON any more": {
			[]string{`UPDATE log SET body = 'x' WHERE seq = 4`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 4, What: "the body cannot be read"}},
		},
		"a record was taken out": {
			[]string{`DELETE FROM log WHERE seq = 4`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 4, What: "record 5 stands where record 4 should"}},
		},
		"the last records were taken out": {
			[]string{`DELETE FROM log WHERE seq > 8`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 8, What: "the rollout ends at record 10, but the log at record 8"}},
		},
		"a record was added": {
			[]string{`INSERT INTO log SELECT rollout, 11, hash, hash, evidence, replace(body, '"seq":10,', '"seq":11,') FROM log WHERE seq = 10`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 11, What: "its hash is"}},
		},
		"a record was put before the first": {
			[]string{`INSERT INTO log SELECT rollout, 0, hash, hash, evidence, body FROM log WHERE seq = 10`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 1, What: "record 10 stands where record 1 should"}},
		},
		"evidence was changed": {
			[]string{`UPDATE log_evidence SET body = x'00' WHERE body = CAST('evidence 6' AS BLOB)`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 6, What: "the evidence has the sum"}},
		},
		"evidence was taken out": {
			[]string{`DELETE FROM log_evidence WHERE body = CAST('evidence 6' AS BLOB)`},
			[]sqlite.Damage{{What: "a row of table log refers to nothing"}, {Rollout: "fraud-v2", Seq: 6, What: "the evidence has the sum"}},
		},
		"the plan was changed": {
			[]string{`UPDATE plan SET body = json_set(body, '$.alpha', 0.9)`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 1, What: "it follows hash"}},
		},
		"the head was put back": {
			[]string{`UPDATE rollout SET head = json_set(head, '$.seq', 9)`},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 10, What: "the rollout ends at record 9"}},
		},
		"two rollouts are damaged": {
			[]string{
				`INSERT INTO rollout (id, name, model, revision, active, state, salt, created_by) VALUES (1, 'empty', 'fraud', 1, 0, '{}', 1, '')`,
				`INSERT INTO plan SELECT key, '', '{}' FROM rollout WHERE name = 'empty'`,
				`UPDATE rollout SET head = '{"seq":1,"hash":"x"}' WHERE name = 'empty'`,
				`UPDATE log SET hash = 'x' WHERE seq = 1`,
			},
			[]sqlite.Damage{{Rollout: "fraud-v2", Seq: 1, What: "its hash is"}, {Rollout: "empty", What: "the rollout ends at record 1, but the log at record 0"}},
		},
		"an index has lost a row": {
			[]string{
				`PRAGMA writable_schema = ON`,
				`UPDATE sqlite_schema SET sql = 'CREATE INDEX rollout_model ON rollout (model DESC, revision)' WHERE name = 'rollout_model'`,
			},
			[]sqlite.Damage{{What: "row 1 missing from index rollout_model"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filled(t)
			edit(t, dir, tt.statements...)
			got, err := open(t, dir).Check(t.Context())
			must(t, err)
			if len(got) != len(tt.want) {
				t.Fatalf("found %q, want %d", got, len(tt.want))
			}
			for i, want := range tt.want {
				if got[i].Rollout != want.Rollout || got[i].Seq != want.Seq || !strings.HasPrefix(got[i].What, want.What) {
					t.Errorf("found %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestDamageIsToldToAPerson(t *testing.T) {
	t.Parallel()
	tests := map[string]sqlite.Damage{
		`the database: row 1 is missing`:       {What: "row 1 is missing"},
		`rollout "r", record 7: its hash is x`: {Rollout: "r", Seq: 7, What: "its hash is x"},
		`rollout "r": the log is gone`:         {Rollout: "r", What: "the log is gone"},
	}
	for want, d := range tests {
		if got := d.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
