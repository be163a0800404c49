package load

import "strconv"

// An event of a stream is a chunk of a chat completion. Its content is the mark
// that tells when it was written: @, twenty digits of nanoseconds, #.
const (
	eventStart = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"` + Model +
		`","choices":[{"index":0,"delta":{"content":"@`
	eventEnd   = `#"},"finish_reason":null}]}` + "\n\n"
	markDigits = 20
)

// appendEvent appends an event as a chunk of HTTP/1.1.
func appendEvent(b []byte, at int64) []byte {
	b = strconv.AppendInt(b, int64(len(eventStart)+markDigits+len(eventEnd)), 16)
	b = append(b, "\r\n"+eventStart...)
	digits := len(b) + markDigits
	b = append(b, "00000000000000000000"...)
	for i := digits - 1; at > 0; i, at = i-1, at/10 {
		b[i] = byte('0' + at%10)
	}
	return append(b, eventEnd+"\r\n"...)
}

// marks finds marks in what arrives, wherever it is cut. A mark that something
// else was put into, such as the size of a chunk, is passed over.
type marks struct {
	digits int // of the mark under way; -1 outside of one
	at     int64
}

// read calls found for each mark that is complete.
func (m *marks) read(b []byte, found func(at int64)) {
	for _, c := range b {
		switch {
		case c == '@':
			m.digits, m.at = 0, 0
		case m.digits < 0:
		case c >= '0' && c <= '9' && m.digits < markDigits:
			m.digits, m.at = m.digits+1, m.at*10+int64(c-'0')
		default:
			if c == '#' && m.digits == markDigits {
				found(m.at)
			}
			m.digits = -1
		}
	}
}
