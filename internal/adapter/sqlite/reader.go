package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// request is a read: what it is for, and how it is asked.
type request struct {
	doing string
	sql   string
	args  []any
	in    *sql.Tx // the snapshot to read; nil reads what is kept now
}

func ask(doing, sql string, args ...any) request {
	return request{doing: doing, sql: sql, args: args}
}

// scanner reads the columns of one row.
type scanner func(dest ...any) error

// each calls take for every row of a read, until take returns an error. Errors
// of take come back as they are.
func (s *Store) each(ctx context.Context, r request, take func(scanner) error) (err error) {
	ask := s.reader.QueryContext
	if r.in != nil {
		ask = r.in.QueryContext
	}
	rows, err := ask(ctx, r.sql, r.args...)
	if err != nil {
		return s.explain(ctx, r.doing, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := take(rows.Scan); err != nil {
			return err
		}
	}
	return s.explain(ctx, r.doing, rows.Err())
}

// query returns all rows of a read.
func query[T any](ctx context.Context, s *Store, r request, read func(scanner) (T, error)) ([]T, error) {
	var out []T
	err := s.each(ctx, r, func(scan scanner) error {
		row, err := read(scan)
		if err != nil {
			return fmt.Errorf("%s: %w", r.doing, err)
		}
		out = append(out, row)
		return nil
	})
	return out, err
}

// first returns the first row of a read, and whether there is one.
func first[T any](ctx context.Context, s *Store, r request, read func(scanner) (T, error)) (row T, found bool, err error) {
	rows, err := query(ctx, s, r, read)
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}

// bytesOf reads a row of one blob.
func bytesOf(scan scanner) (out []byte, err error) { return out, scan(&out) }

func quoted(name string) string { return strconv.Quote(name) }
