package value

// MarshalText writes the weight as a percentage.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads a percentage.
func (w *Weight) UnmarshalText(b []byte) (err error) { *w, err = ParseWeight(string(b)); return err }

// MarshalText writes the fraction as a percentage.
func (f Fraction) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a percentage.
func (f *Fraction) UnmarshalText(b []byte) (err error) {
	*f, err = ParseFraction(string(b))
	return err
}

// MarshalText writes the margin with its unit.
func (m Margin) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a margin with its unit.
func (m *Margin) UnmarshalText(b []byte) (err error) { *m, err = ParseMargin(string(b)); return err }

// MarshalText writes the limit with its unit.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a limit with its unit.
func (b *Bound) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBound(string(text))
	return err
}

// MarshalText writes the source of units.
func (u Unit) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads a source of units.
func (u *Unit) UnmarshalText(b []byte) (err error) { *u, err = ParseUnit(string(b)); return err }
