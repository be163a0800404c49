package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/belay-rollouts/belay/internal/config"
)

// shown is data in all the forms that -o can ask for.
type shown struct {
	data any             // json and yaml
	name func() []string // one name a line
	// table draws for people.
	table func(wide bool) []string
}

// show writes data to standard output in the form of the settings.
func (s *session) show(d shown) error {
	switch s.settings.Output {
	case config.OutputJSON:
		return s.showJSON(d.data)
	case config.OutputYAML:
		return s.showYAML(d.data)
	case config.OutputName:
		return s.lines(d.name())
	case config.OutputTable, config.OutputWide:
	}
	return s.lines(d.table(s.settings.Output == config.OutputWide))
}

func (s *session) lines(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(s.out, strings.Join(lines, "\n"))
	return err
}

func (s *session) showJSON(v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (s *session) showYAML(v any) error {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	text, err := yaml.JSONToYAML(body.Bytes())
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = s.out.Write(text)
	return err
}

// line writes one value as one line of JSON.
func (s *session) line(v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
