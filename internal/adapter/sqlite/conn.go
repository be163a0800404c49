package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// busyTimeout is how long, in milliseconds, a statement waits for another
// program that holds the database, such as a backup or a person's shell.
const busyTimeout = 5000

// dsn names the database with the settings of every connection.
func dsn(path string, settings ...string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/…
	}
	query := url.Values{
		"_defensive": {"1"}, // no statement of ours can damage the file
		"_dqs":       {"0"}, // "x" is a name, never a text
		"_error_rc":  {"1"},
		"_pragma": append([]string{
			fmt.Sprintf("busy_timeout(%d)", busyTimeout),
			"foreign_keys(1)",
			"trusted_schema(0)",
		}, settings...),
	}
	return (&url.URL{Scheme: "file", Path: slashed, RawQuery: query.Encode()}).String()
}

// openWriter opens the one connection that writes.
func openWriter(ctx context.Context, path string) (*writer, error) {
	db, err := sql.Open("sqlite", dsn(path,
		"journal_mode(WAL)",
		"synchronous(FULL)",            // a commit is on the disk when it is answered
		"journal_size_limit(67108864)", // 64 MiB, after a burst
		"cache_size(-16384)",           // 16 MiB: a flush of many outcomes stays in memory until it is committed
		"temp_store(MEMORY)",           // what undoes one statement is small
	))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	w := &writer{db: db, turn: make(chan struct{}, 1), bounds: served}
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return w, err
	}
	if mode != "wal" {
		return w, fmt.Errorf("the file system of %s allows no write-ahead log (journal mode %q)", path, mode)
	}
	return w, nil
}

// openReader opens the connections that only read.
func openReader(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}
