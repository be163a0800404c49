package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// writer is the connection that writes, with the statements that it has
// prepared. Writers take turns, in the order in which they asked.
type writer struct {
	db    *sql.DB
	turn  chan struct{} // holds one token while somebody writes
	conn  *sql.Conn     // nil until the first write, and after a connection was given up
	stmts map[string]*sql.Stmt

	bounds bounds
}

// bounds are sizes of writes; tests make them smaller.
type bounds struct {
	// eraBits gives an era 1<<eraBits outcome ids. It is fixed for the life of a
	// database; see the table.
	eraBits int
	// forgetRows is how many rows one transaction deletes: other writes,
	// rollbacks among them, take their turns in between.
	forgetRows int
	// answers is how many answers are kept at most, which bounds what a caller
	// can fill the disk with. Those that end first go first.
	answers int
}

// served are the bounds of a server.
var served = bounds{eraBits: 16, forgetRows: 5000, answers: 10_000}

// txn is a transaction that is under way. Its statements are short, so they run
// to their ends; the caller's context is asked before each of them.
type txn struct {
	w   *writer
	ctx context.Context // of the statements; it is never cancelled
	err func() error    // says whether the caller has gone
}

// write runs do in one durable transaction.
func (s *Store) write(ctx context.Context, doing string, do func(*txn) error) error {
	if s.closed.Load() {
		return s.explain(ctx, doing, sql.ErrConnDone)
	}
	return s.explain(ctx, doing, s.writer.transact(ctx, do))
}

// transact runs do between BEGIN and COMMIT. The context ends the wait for the
// turn, or the transaction between two statements; it never ends one of them,
// and COMMIT least of all, so that the answer tells exactly what happened.
func (w *writer) transact(ctx context.Context, do func(*txn) error) error {
	return w.do(ctx, func(tx *txn) (err error) {
		if err := tx.exec(`BEGIN IMMEDIATE`); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				w.rollback(tx)
			}
		}()
		if err := do(tx); err != nil {
			return err
		}
		return tx.exec(`COMMIT`)
	})
}

// do waits for the turn and runs statements.
func (w *writer) do(ctx context.Context, do func(*txn) error) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	tx := &txn{w: w, ctx: context.WithoutCancel(ctx), err: ctx.Err}
	if err := w.connect(tx.ctx); err != nil {
		return err
	}
	return do(tx)
}

// rollback ends a transaction that failed. A disk that fails may have ended it
// already; the connection is given up then, to begin the next one clean.
func (w *writer) rollback(tx *txn) {
	tx.err = func() error { return nil }
	if err := tx.exec(`ROLLBACK`); err != nil {
		w.disconnect()
	}
}

func (w *writer) connect(ctx context.Context) (err error) {
	if w.conn != nil {
		return nil
	}
	w.stmts = map[string]*sql.Stmt{}
	w.conn, err = w.db.Conn(ctx)
	return err
}

// disconnect gives the connection up. Closing it rolls back what it held.
func (w *writer) disconnect() {
	if w.conn == nil {
		return
	}
	for _, stmt := range w.stmts {
		_ = stmt.Close() // The connection goes with them.
	}
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
	w.conn, w.stmts = nil, nil
}

// close waits for the write that is under way and ends the connection.
func (w *writer) close() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	w.conn, w.stmts = nil, nil
	return errors.Join(append(errs, w.db.Close())...)
}

// stmt returns a prepared statement, unless the caller has gone.
func (t *txn) stmt(query string) (*sql.Stmt, error) {
	if err := t.err(); err != nil {
		return nil, err
	}
	if stmt := t.w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := t.w.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = stmt
	return stmt, nil
}

// exec runs a statement.
func (t *txn) exec(query string, args ...any) error {
	_, err := t.change(query, args...)
	return err
}

// change runs a statement and returns how many rows it changed.
func (t *txn) change(query string, args ...any) (int64, error) {
	stmt, err := t.stmt(query) //nolint:sqlclosecheck // It is kept for the next transaction.
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads one row into dest. It returns sql.ErrNoRows when there is none.
func (t *txn) row(query string, args []any, dest ...any) error {
	stmt, err := t.stmt(query) //nolint:sqlclosecheck // It is kept for the next transaction.
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(t.ctx, args...).Scan(dest...)
}
