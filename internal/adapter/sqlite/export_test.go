package sqlite

import "context"

// Pragma sets something on the connection that writes, for tests.
func (s *Store) Pragma(ctx context.Context, pragma string) error {
	return s.writer.do(ctx, func(tx *txn) error { return tx.exec("PRAGMA " + pragma) })
}

// ReadPragma reads a setting of the connection that writes, and of one that reads.
func (s *Store) ReadPragma(ctx context.Context, pragma string) (writer, reader string, err error) {
	err = s.writer.do(ctx, func(tx *txn) error { return tx.row("PRAGMA "+pragma, nil, &writer) })
	if err != nil {
		return "", "", err
	}
	return writer, reader, s.reader.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&reader)
}

// Break gives the writer's connection up, as after a failed rollback.
func (s *Store) Break() { s.writer.disconnect() }

// Shrink makes the bounds of writes smaller, before the first write.
func (s *Store) Shrink(eraBits, forgetRows, answers int) {
	s.writer.bounds = bounds{eraBits: eraBits, forgetRows: forgetRows, answers: answers}
}

// Sieves is how many sieves are kept.
func (s *Store) Sieves() int {
	s.sieves.mu.Lock()
	defer s.sieves.mu.Unlock()
	return len(s.sieves.made)
}

// Moment and MomentOf keep and read a moment.
var Moment, MomentOf = moment, momentOf
