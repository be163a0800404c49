package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Sources are where settings come from, the strongest first.
type Sources struct {
	// Flags are the flags that were given, by name without dashes.
	Flags map[string]string
	// Env looks a variable up; nil reads none.
	Env func(string) (string, bool)
	// File is the path of the file that must be there; empty means none.
	File string
}

// Environment returns the sources of a process: its variables, and the file
// that BELAY_CONFIG names or that is where users keep settings, if there is one.
// A flag --config names another.
func Environment(flags map[string]string) Sources {
	s := Sources{Flags: flags, Env: os.LookupEnv, File: os.Getenv("BELAY_CONFIG")}
	if s.File == "" {
		if dir, err := os.UserConfigDir(); err == nil {
			usual := filepath.Join(dir, "belay", "config.yaml")
			if _, err := os.Stat(usual); err == nil {
				s.File = usual
			}
		}
	}
	if file := flags["config"]; file != "" {
		s.File = file
	}
	return s
}

// Load returns the settings, or a problem.Invalid error with all that is wrong.
func Load(from Sources) (Settings, error) {
	file, bad := readFile(from.File)
	var s Settings
	for _, setting := range All {
		value, place := from.find(setting, file)
		if err := setting.set(&s, value); err != nil && (value != "" || setting.Default != "") {
			bad = append(bad, fmt.Errorf("%s: %w", place, err))
		}
	}
	if len(bad) == 0 {
		bad = s.together()
	}
	all := make([]error, len(bad))
	for i, err := range bad {
		all[i] = problem.New(problem.Invalid, "%w", err)
	}
	return s, problem.Join(all...)
}

// find returns the strongest value of a setting and where it was written.
func (from Sources) find(s Setting, file map[string]entry) (value, place string) {
	if v, ok := from.Flags[s.Flag()]; ok {
		return v, "--" + s.Flag()
	}
	if from.Env != nil {
		if v, ok := from.Env(s.Env()); ok && v != "" {
			return v, s.Env()
		}
	}
	if e, ok := file[s.Key]; ok {
		return e.value, e.place
	}
	return s.Default, s.Key
}

// entry is a setting in a file.
type entry struct{ value, place string }

// maxFile bounds a file of settings.
const maxFile = 64 << 10

func readFile(path string) (map[string]entry, []error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, []error{fmt.Errorf("read the settings: %w", err)}
	}
	defer f.Close() //nolint:errcheck // It was only read.
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	if err != nil {
		return nil, []error{fmt.Errorf("read the settings: %w", err)}
	}
	return parse(path, data)
}

// parse reads a flat mapping of settings.
func parse(path string, data []byte) (map[string]entry, []error) {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %s", path, firstLine(err))}
	}
	entries, bad := map[string]entry{}, []error(nil)
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		pairs, ok := mapping(doc.Body)
		if !ok {
			return nil, []error{fmt.Errorf("%s: settings are written as `key: value`, one a line", path)}
		}
		for _, pair := range pairs {
			place := path + ":" + strconv.Itoa(pair.Key.GetToken().Position.Line) + ": " + pair.Key.String()
			if err := known(pair, entries); err != nil {
				bad = append(bad, fmt.Errorf("%s: %w", place, err))
				continue
			}
			entries[pair.Key.String()] = entry{scalar(pair.Value), place}
		}
	}
	return entries, bad
}

func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	case *ast.CommentGroupNode:
		return nil, true
	}
	return nil, false
}

func known(pair *ast.MappingValueNode, before map[string]entry) error {
	key := pair.Key.String()
	keys := make([]string, len(All))
	for i, s := range All {
		if keys[i] = s.Key; keys[i] != key {
			continue
		}
		if _, twice := before[key]; twice {
			return errors.New("is written twice")
		}
		if _, ok := pair.Value.(ast.ScalarNode); !ok {
			return errors.New("takes a single value")
		}
		return nil
	}
	return fmt.Errorf("is no setting; there are %s", strings.Join(keys, ", "))
}

// scalar returns a value as it was written, without quotes.
func scalar(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.GetToken().Value
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
