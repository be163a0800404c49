package load

import (
	"context"
	"fmt"
	"net"
	"time"
)

// answerWait is how long one answer may take.
const answerWait = 5 * time.Second

// Ask sends one request over a new connection, which stays open, and returns it
// with whether the candidate answered.
func Ask(ctx context.Context, addr, user string) (net.Conn, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, false, err
	}
	a, err := exchange(conn, Request(user))
	if err == nil && !a.model {
		err = fmt.Errorf("%s answers 200 in place of a model", addr)
	}
	if err != nil {
		_ = conn.Close()
		return nil, false, err
	}
	return conn, a.candidate, nil
}

func exchange(conn net.Conn, request []byte) (answer, error) {
	if err := conn.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return answer{}, err
	}
	if _, err := conn.Write(request); err != nil {
		return answer{}, err
	}
	buf, n := make([]byte, 8<<10), 0
	for {
		read, err := conn.Read(buf[n:])
		if n += read; read > 0 {
			if a, whole := parse(buf[:n]); whole && !a.ok {
				return answer{}, fmt.Errorf("it answers %.300q", buf[:n])
			} else if whole {
				return a, nil
			}
		}
		if err != nil {
			return answer{}, fmt.Errorf("after %d bytes of an answer: %w", n, err)
		}
	}
}

// Idle opens connections that have carried one request each and are silent
// then. The function that it returns closes them.
func Idle(ctx context.Context, addr string, n int) (shut func(), err error) {
	conns := make([]net.Conn, 0, n)
	shut = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for i := range n {
		conn, _, err := Ask(ctx, addr, User(i))
		if err != nil {
			shut()
			return nil, fmt.Errorf("open idle connection %d of %d: %w", i+1, n, err)
		}
		conns = append(conns, conn)
	}
	return shut, nil
}

// Look asks for something that begins no stream and that everybody answers.
func Look(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = exchange(conn, fmt.Appendf(nil, "GET /v1/models HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n\r\n", host, UserHeader, User(0)))
	return err
}
