package spec

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// The canonical form of a Resolved is JSON without spaces: every field, in the
// order of the Go struct, under its name in camelCase; quantities and durations
// as text in the units of the files; [] for a list without items and null for a
// limit that is not there. Equal values give equal bytes, so that it may be
// hashed; UnmarshalJSON reads the same value back.

// MarshalJSON returns the canonical form.
func (r Resolved) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := encodeCanonical(&b, reflect.ValueOf(r)); err != nil {
		return nil, fmt.Errorf("write a resolved rollout: %w", err)
	}
	return b.Bytes(), nil
}

// UnmarshalJSON reads the canonical form, strictly.
func (r *Resolved) UnmarshalJSON(data []byte) error {
	*r = Resolved{}
	if err := decodeCanonical(data, reflect.ValueOf(r).Elem()); err != nil {
		return fmt.Errorf("read a resolved rollout: %w", err)
	}
	return nil
}

// key returns the name of a field in JSON: MaxDuration is maxDuration, URLFrom
// is urlFrom; "" leaves the field out.
func key(f reflect.StructField) string {
	if f.Tag.Get("json") == "-" {
		return ""
	}
	name := []rune(f.Name)
	for i := range name {
		if i > 0 && i+1 < len(name) && unicode.IsLower(name[i+1]) {
			break
		}
		if !unicode.IsUpper(name[i]) {
			break
		}
		name[i] = unicode.ToLower(name[i])
	}
	return string(name)
}

func encodeCanonical(b *bytes.Buffer, v reflect.Value) error {
	switch x := v.Interface().(type) {
	case time.Duration:
		b.Write(document.JSONText(FormatDuration(x)))
		return nil
	case encoding.TextMarshaler:
		if v.Kind() == reflect.Pointer && v.IsNil() {
			b.WriteString("null")
			return nil
		}
		text, err := x.MarshalText()
		b.Write(document.JSONText(string(text)))
		return err
	}
	switch v.Kind() {
	case reflect.Struct:
		return encodeFields(b, v)
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encodeCanonical(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case reflect.String:
		b.Write(document.JSONText(v.String()))
		return nil
	default: // Numbers and truth values.
		plain, err := json.Marshal(v.Interface())
		b.Write(plain)
		return err
	}
}

func encodeFields(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('{')
	first := true
	for i := range v.NumField() {
		name := key(v.Type().Field(i))
		if name == "" {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(document.JSONText(name))
		b.WriteByte(':')
		if err := encodeCanonical(b, v.Field(i)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func decodeCanonical(data []byte, v reflect.Value) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return decodeDuration(data, v)
	}
	if _, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return json.Unmarshal(data, v.Addr().Interface())
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeFields(data, v)
	case reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil || len(items) == 0 {
			return err
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			if err := decodeCanonical(item, v.Index(i)); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
		return nil
	default:
		return json.Unmarshal(data, v.Addr().Interface())
	}
}

func decodeDuration(data []byte, v reflect.Value) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	d, err := ParseDuration(text)
	v.SetInt(int64(d))
	return err
}

func decodeFields(data []byte, v reflect.Value) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	for i := range v.NumField() {
		name := key(v.Type().Field(i))
		field, ok := fields[name]
		if name == "" || !ok {
			continue
		}
		delete(fields, name)
		if err := decodeCanonical(field, v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(fields) > 0 {
		var unknown []string
		for name := range fields {
			unknown = append(unknown, name)
		}
		return fmt.Errorf("unknown fields %s", strings.Join(unknown, ", "))
	}
	return nil
}
