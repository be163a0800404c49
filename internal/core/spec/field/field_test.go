package field_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// A table of a rope, a thing with one field of each kind.
type (
	rope struct {
		Colour  string
		Length  *int64
		Knots   []string
		End     *end
		Loops   []end
		Strands strands
	}
	end     struct{ Name, Frayed string }
	strands struct{ Count *int64 }
)

var (
	colour  = field.OneOf("red", "green", "blue")
	whole   = field.Scalar[int64]{Name: "a whole number", Parse: value.ParseCount, Text: func(n int64) string { return strconv.FormatInt(n, 10) }, Bare: true, JSON: map[string]any{"type": "integer"}}
	label   = field.Text("a name", "^[a-z-]+$", value.ParseLabel)
	strandF = []field.Field{field.Opt("strands", field.Inside(whole, "0", "100"), func(s *strands) **int64 { return &s.Count }, field.Meta{Doc: "How many.", Default: "3", Example: "4"})}

	endShape = &field.Shape{
		Name: "end", Doc: "One end.", Inline: true, OneOf: []string{"name", "frayed"},
		Fields: []field.Field{
			field.Set("name", label, func(e *end) *string { return &e.Name }, field.Meta{Doc: "Its name.", Example: "upper"}),
			field.Set("frayed", label, func(e *end) *string { return &e.Frayed }, field.Meta{Doc: "How bad it is."}),
		},
	}
	ropeShape = &field.Shape{
		Name: "rope", Doc: "A rope.",
		KindOf: func(obj any) string { return obj.(*rope).Colour },
		Fields: append([]field.Field{
			field.Set("colour", colour, func(r *rope) *string { return &r.Colour }, field.Meta{Doc: "Its colour.", Required: true, Example: "red"}),
			field.Opt("length", field.Between(whole, "1", "200"), func(r *rope) **int64 { return &r.Length }, field.Meta{Doc: "In metres.", Default: "60", Only: []string{"red", "green"}}),
			field.Many("knots", label, func(r *rope) *[]string { return &r.Knots }, field.Meta{Doc: "Its knots.", Default: "[eight, bowline]", Most: 3}),
			field.Child("end", endShape, func(r *rope) **end { return &r.End }, field.Meta{Doc: "The upper end.", Computed: "none"}),
			field.Children("loops", endShape, func(r *rope) *[]end { return &r.Loops }, field.Meta{Doc: "Its loops.", Most: 2}),
		}, field.Lift(strandF, func(r *rope) *strands { return &r.Strands })...),
	}
)

// decode reads a rope and returns it with the problems of it.
func decode(t *testing.T, text string) (rope, string, *field.Decoder) {
	t.Helper()
	roots, problems := document.Read("f", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	d := field.NewDecoder("f", roots[0])
	var r rope
	d.Object(ropeShape, &r, roots[0], "rope")
	said := ""
	if err := d.Problems.Err(); err != nil {
		said = err.Error()
	}
	return r, said, d
}

func TestObjectReadsByTheRows(t *testing.T) {
	t.Parallel()
	got, said, d := decode(t, "colour: red\nlength: 70\nknots: [eight]\nend: {name: upper}\nloops:\n  - {frayed: much}\nstrands: 5\n")
	want := rope{Colour: "red", Length: new(int64(70)), Knots: []string{"eight"}, End: &end{Name: "upper"}, Loops: []end{{Frayed: "much"}}, Strands: strands{new(int64(5))}}
	if diff := cmp.Diff(want, got); diff != "" || said != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, said)
	}
	for path, want := range map[string]document.Position{
		"rope.colour": {Line: 1, Column: 9}, "rope.knots[0]": {Line: 3, Column: 9}, "rope.end.name": {Line: 4, Column: 13}, "rope.loops[0].frayed": {Line: 6, Column: 14},
	} {
		if d.Places[path] != want {
			t.Errorf("%s is at %v, want %v", path, d.Places[path], want)
		}
	}
}

func TestObjectReportsEverything(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"length: 5":                                  "f:1:1: rope.colour: it is missing; write one such as `colour: red`",
		"color: red\ncolour: red":                    `f:1:1: rope.color: unknown field; did you mean "colour"?`,
		"colour: red\nweight: 5":                     "f:2:1: rope.weight: unknown field; the fields are colour, length, knots, end, loops, strands",
		"colour: pink":                               `f:1:9: rope.colour: "pink" is unknown here; write red, green or blue`,
		"colour: gren":                               `f:1:9: rope.colour: "gren" is not one of red, green, blue; did you mean "green"?`,
		"colour: blue\nlength: 5":                    "f:2:1: rope.length: it has no place beside blue; it belongs beside red or green",
		"colour: red\nlength: 500":                   "f:2:9: rope.length: 500 is out of range; write 1 to 200",
		"colour: red\nlength: '5'":                   `f:2:9: rope.length: "5" is text, not a whole number; leave out the quotes`,
		"colour: red\nlength:":                       "f:2:1: rope.length: it has no value; write a whole number",
		"colour: red\nlength: [5]":                   "f:2:9: rope.length: a list is written where a whole number belongs; write a whole number",
		"colour: true":                               "f:1:9: rope.colour: true is not red, green or blue; write it between quotes if it is meant as text",
		"colour: red\nstrands: 0":                    "f:2:10: rope.strands: 0 is out of range; write more than 0 and less than 100",
		"colour: red\nknots: eight":                  "f:2:8: rope.knots: a single value is written where a list belongs; put it into [ ] or behind a dash",
		"colour: red\nknots: [a, b, c, d]":           "f:2:8: rope.knots: the list has 4 items; write at most 3",
		"colour: red\nknots:":                        "f:2:1: rope.knots: it has no value; write a list, or [] for an empty one",
		"colour: red\nend: x":                        "f:2:6: rope.end: a single value is written where a mapping belongs; write fields of end such as name, frayed",
		"colour: red\nend:":                          "f:2:1: rope.end: it has no value; write fields of end such as name, frayed",
		"colour: red\nend: {}":                       "f:2:6: rope.end: the end needs one of name, frayed; write exactly one of them",
		"colour: red\nloops: [{name: a, frayed: b}]": "f:2:9: rope.loops[0]: the end has name and frayed at once; write exactly one of them",
		"colour: red\nknots: [A, b, C_]": `f:2:9: rope.knots[0]: "A" is not a name; write at most 63 lower-case letters, digits and dashes, a letter or digit first and last` + "\n" +
			`f:2:15: rope.knots[2]: "C_" is not a name; write at most 63 lower-case letters, digits and dashes, a letter or digit first and last`,
	} {
		if _, said, _ := decode(t, text); said != want {
			t.Errorf("%q:\n%s\nwant\n%s", text, said, want)
		}
	}
}

func TestFillSetsWhatIsNotSetAndFits(t *testing.T) {
	t.Parallel()
	got := rope{Colour: "red", Strands: strands{new(int64(9))}}
	ropeShape.Fill(&got)
	want := rope{Colour: "red", Length: new(int64(60)), Knots: []string{"eight", "bowline"}, Strands: strands{new(int64(9))}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	blue := rope{Colour: "blue"}
	ropeShape.Fill(&blue)
	if blue.Length != nil || *blue.Strands.Count != 3 {
		t.Errorf("a blue rope is filled as %+v", blue)
	}
}

func TestOverlayGoesByFieldAndReplacesLists(t *testing.T) {
	t.Parallel()
	below := rope{Colour: "red", Length: new(int64(60)), Knots: []string{"eight", "bowline"}, End: &end{Name: "upper"}}
	kept := below
	above := rope{Length: new(int64(0)), Knots: []string{}, End: &end{Frayed: "much"}, Loops: []end{{Name: "a"}}}
	var wrote []string
	ropeShape.Overlay(&below, &above, "", func(path string) { wrote = append(wrote, path) })
	want := rope{Colour: "red", Length: new(int64(0)), Knots: []string{}, End: &end{Name: "upper", Frayed: "much"}, Loops: []end{{Name: "a"}}}
	if diff := cmp.Diff(want, below); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"length", "knots", "end", "end.frayed", "loops"}, wrote); diff != "" {
		t.Errorf("written (-want +got)\n%s", diff)
	}
	if kept.End.Frayed != "" || above.End.Name != "" {
		t.Error("an object that was laid over another is shared with it")
	}
}

func TestSchemaSaysWhatTheRowsSay(t *testing.T) {
	t.Parallel()
	var got map[string]any
	if err := json.Unmarshal(field.Schema("https://example.com/rope", "Ropes", "All ropes.", ropeShape), &got); err != nil {
		t.Fatal(err)
	}
	if got["$id"] != "https://example.com/rope" || got["title"] != "Ropes" || len(got["oneOf"].([]any)) != 1 {
		t.Errorf("head = %v", got)
	}
	defs := got["$defs"].(map[string]any)
	r := defs["rope"].(map[string]any)
	if diff := cmp.Diff([]any{"colour"}, r["required"]); diff != "" || r["additionalProperties"] != false {
		t.Errorf("required %s, additional %v", diff, r["additionalProperties"])
	}
	properties := r["properties"].(map[string]any)
	for name, want := range map[string]string{
		"colour":  `{"description":"Its colour.","enum":["red","green","blue"],"examples":["red"],"type":"string"}`,
		"length":  `{"default":60,"description":"In metres. Allowed: 1 to 200. Only for red or green.","type":"integer"}`,
		"knots":   `{"default":["eight","bowline"],"description":"Its knots.","items":{"pattern":"^[a-z-]+$","type":"string"},"maxItems":3,"type":"array"}`,
		"end":     `{"$ref":"#/$defs/end","description":"The upper end. Default: none."}`,
		"loops":   `{"description":"Its loops.","items":{"$ref":"#/$defs/end"},"maxItems":2,"type":"array"}`,
		"strands": `{"default":3,"description":"How many. Allowed: more than 0 and less than 100.","examples":[4],"type":"integer"}`,
	} {
		data, err := json.Marshal(properties[name])
		if err != nil || string(data) != want {
			t.Errorf("%s: %s, want %s", name, data, want)
		}
	}
	choices, err := json.Marshal(defs["end"].(map[string]any)["oneOf"])
	if want := `[{"required":["name"]},{"required":["frayed"]}]`; err != nil || string(choices) != want {
		t.Errorf("oneOf = %s, want %s", choices, want)
	}
}

func TestRowsReadTexts(t *testing.T) {
	t.Parallel()
	length, ok := ropeShape.Field("length")
	if _, unknown := ropeShape.Field("weight"); !ok || unknown {
		t.Fatal("rows are not found by name")
	}
	var r rope
	if err := length.Read(&r, "7"); err != nil || *r.Length != 7 {
		t.Errorf("read %v, %v", r.Length, err)
	}
	if err := length.Read(&r, "[7"); err == nil || !strings.Contains(err.Error(), "not closed") {
		t.Errorf("broken text: %v", err)
	}
	if err := length.Read(&r, "0"); err == nil {
		t.Error("a value out of range is read")
	}
	end, _ := ropeShape.Field("end")
	if length.Shape() != nil || end.Shape() != endShape {
		t.Error("only objects have shapes")
	}
}

// TestWhatIsWrittenIsReadBack draws ropes, writes them by the rows, and reads
// them by the rows.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	names := rapid.StringMatching(`[a-z]([-a-z0-9]{0,6}[a-z0-9])?`)
	rapid.Check(t, func(rt *rapid.T) {
		want := rope{Colour: rapid.SampledFrom([]string{"red", "green"}).Draw(rt, "colour")}
		if rapid.Bool().Draw(rt, "length?") {
			want.Length = new(rapid.Int64Range(1, 200).Draw(rt, "length"))
		}
		if rapid.Bool().Draw(rt, "knots?") {
			want.Knots = rapid.SliceOfN(names, 0, 3).Draw(rt, "knots")
		}
		if rapid.Bool().Draw(rt, "end?") {
			want.End = &end{Name: names.Draw(rt, "end")}
		}
		for range rapid.IntRange(0, 2).Draw(rt, "loops") {
			want.Loops = append(want.Loops, end{Frayed: names.Draw(rt, "loop")})
		}
		text := ropeShape.Encode(&want).YAML()
		got, said, _ := decode(t, text)
		if diff := cmp.Diff(want, got); diff != "" || said != "" {
			rt.Fatalf("(-want +got)\n%s\n%s\nin\n%s", diff, said, text)
		}
	})
}
