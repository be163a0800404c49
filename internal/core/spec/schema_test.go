package spec

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files and the published schema")

const schemaFile = "../../../api/schema/belay.dev_v1alpha1.json"

//go:generate go test -run TestThePublishedSchemaIsTheTable -update .

func TestThePublishedSchemaIsTheTable(t *testing.T) {
	t.Parallel()
	got := Schema()
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: run go generate ./internal/core/spec", schemaFile)
	}
}
