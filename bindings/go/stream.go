//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"sync"
	"unsafe"
)

var errWriteClosed = errors.New("websocket: write closed")

// NextReader waits for the next message and returns a reader of its payload, which comes as it is read: a message of any
// length needs no more memory than a piece of it. The reader ends with io.EOF, and is of no use any more once NextReader or
// another reading call was made: what was not read of its message is passed over. Errors are those of ReadMessage.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	if err := c.beginRead(); err != nil {
		return -1, nil, err
	}
	defer c.endRead()
	if err := c.finishCurrent(); err != nil {
		return -1, nil, err
	}
	m := &messageReader{c: c}
	kind, err := m.begin()
	if err != nil {
		return -1, nil, err
	}
	c.current = m
	return kind, m, nil
}

// messageReader is what NextReader returns. It shows pieces where they lie in the kit.
type messageReader struct {
	c     *Conn
	data  []byte
	kind  int
	whole bool // the message is the kit's next one
	final bool // no piece follows
}

// begin fetches the first piece.
func (m *messageReader) begin() (int, error) {
	c := m.c
	if l := c.landing; l != nil {
		// Its read was broken off.
		c.landing = nil
		if len(l.message()) > 0 {
			m.data, m.kind, m.final = l.message(), l.kind, l.whole
			return l.kind, nil
		}
	}
	if k := c.h.kit; k != nil && k.holdsMessage() {
		kind, data, err := c.keptMessage()
		if err == nil {
			m.data, m.whole, m.final = data, true, true
			return kind, nil
		} else if err != errNoMessage {
			return -1, err
		}
	}
	return c.fetchPiece(m)
}

// Read is io.Reader's.
func (m *messageReader) Read(p []byte) (int, error) {
	c := m.c
	if err := c.beginRead(); err != nil {
		return 0, err
	}
	defer c.endRead()
	if c.current != m {
		return 0, io.EOF
	}
	for len(m.data) == 0 {
		if m.final {
			m.end()
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		if _, err := c.fetchPiece(m); err != nil {
			return 0, err
		}
	}
	n := copy(p, m.data)
	m.data = m.data[n:]
	if len(m.data) == 0 && !m.whole {
		c.restKit()
	}
	return n, nil
}

// end lets the kit go.
func (m *messageReader) end() {
	c := m.c
	c.current = nil
	if m.whole {
		c.h.kit.drop()
	}
	c.restKit()
}

// finishCurrent passes over what was not read of the message that a reader is at.
func (c *Conn) finishCurrent() error {
	m := c.current
	if m == nil {
		return nil
	}
	for !m.final {
		if _, err := c.fetchPiece(m); err != nil {
			return err
		}
	}
	m.end()
	return nil
}

// fetchPiece brings the next piece of a message into the kit's block, or says why there is none.
func (c *Conn) fetchPiece(m *messageReader) (kind int, err error) {
	m.data = nil
	if c.readErr != nil {
		return -1, c.readErr
	}
	ctx := context.Background()
	c.inPieces = true
	for {
		var data []byte
		if c.dry && !c.ended {
			if data, err = c.readMore(ctx); err != nil {
				c.restKit()
				return -1, err
			}
		}
		kind, again, err := c.decodePiece(m, data)
		switch {
		case err != nil:
			c.restKit()
			return -1, err
		case again:
		case kind >= CloseMessage:
			data := m.data
			m.data = nil // the handler's, not the message's
			if err := c.handleControl(kind, data); err != nil {
				return -1, err
			}
		case len(m.data) > 0 || m.final || m.kind == 0:
			m.kind = kind
			return kind, nil
		}
	}
}

func (c *Conn) decodePiece(m *messageReader, data []byte) (kind int, again bool, err error) {
	if c.h.kit == nil {
		c.h.kit = takeKit()
	}
	k := c.h.kit
	var raw *C.ws_error
	var piece C.wsgo_piece
	var state C.wsgo_state
	block := k.room()
	if c.arrived {
		// What was read could not be taken.
		c.arrived = false
		again, err = c.judge(c.arrival.result, c.arrival.state, c.arrival.error)
		return 0, again, err
	}
	result := C.wsgo_recv_piece(c.h.conn, pointer(data), C.size_t(len(data)), flag(c.ended),
		unsafe.Pointer(unsafe.SliceData(block)), C.size_t(len(block)), &piece, &state, &raw)
	again, err = c.judge(result, state, raw)
	if result != C.WS_OK {
		return 0, again, err
	}
	m.data = block[:piece.len]
	if kind = int(piece.kind); kind < CloseMessage {
		m.final = piece.is_final != 0
	}
	return kind, false, nil
}

// NextWriter returns a writer of the next message. What is written is sent in fragments as it grows; Close sends the last,
// and the message is whole then. Other writers of messages wait for that, within their deadlines, so the goroutine that has
// it must not write another message before. A writer that was not closed is closed by the next NextWriter.
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	if !isKind(messageType) {
		return nil, errKind(messageType)
	}
	m := &messageWriter{c: c, kind: messageType}
	c.writers.Lock()
	previous := c.currentWriter
	c.currentWriter = m
	c.writers.Unlock()
	if previous != nil {
		previous.Close()
	}
	if c.isCloseSent.Load() {
		return nil, ErrCloseSent
	}
	return m, nil
}

// messageWriter is what NextWriter returns.
type messageWriter struct {
	c      *Conn
	mu     sync.Mutex
	kind   int
	buffer []byte
	pooled any
	sent   bool // a fragment is out
	err    error
}

// defaultFragment is how much NextWriter's writer gathers before it sends a fragment.
const defaultFragment = 16 << 10

type pooledBuffer struct{ data []byte }

var writeBuffers = sync.Pool{}

func (m *messageWriter) pool() BufferPool {
	if m.c.writePool != nil {
		return m.c.writePool
	}
	return &writeBuffers
}

// room is what the buffer has left, and the buffer if there is none yet.
func (m *messageWriter) room() int {
	if m.buffer == nil {
		size := int(m.c.writeSize)
		if size <= 0 {
			size = defaultFragment
		}
		size = max(size, 125)
		if pooled, ok := m.pool().Get().(*pooledBuffer); ok && cap(pooled.data) >= size {
			m.buffer = pooled.data[:0:size]
		} else {
			m.buffer = make([]byte, 0, size)
		}
	}
	return cap(m.buffer) - len(m.buffer)
}

// Write is io.Writer's.
func (m *messageWriter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return 0, m.err
	}
	written := 0
	for len(p) > 0 {
		if m.room() == 0 {
			if err := m.flush(false); err != nil {
				return written, err
			}
		}
		n := min(len(p), m.room())
		m.buffer = append(m.buffer, p[:n]...)
		p = p[n:]
		written += n
	}
	return written, nil
}

// WriteString is io.StringWriter's.
func (m *messageWriter) WriteString(s string) (int, error) {
	return m.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// ReadFrom is io.ReaderFrom's.
func (m *messageWriter) ReadFrom(r io.Reader) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var read int64
	for m.err == nil {
		if m.room() == 0 {
			if err := m.flush(false); err != nil {
				return read, err
			}
		}
		n, err := r.Read(m.buffer[len(m.buffer):cap(m.buffer)])
		m.buffer = m.buffer[:len(m.buffer)+n]
		read += int64(n)
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
	return read, m.err
}

// Close sends what is left: the message is whole.
func (m *messageWriter) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	err := m.flush(true)
	m.end(errWriteClosed)
	return err
}

func (m *messageWriter) end(err error) {
	if m.err != nil {
		return
	}
	m.err = err
	if m.buffer != nil {
		m.pool().Put(&pooledBuffer{data: m.buffer[:0]})
		m.buffer = nil
	}
	m.c.writers.Lock()
	if m.c.currentWriter == m {
		m.c.currentWriter = nil
	}
	m.c.writers.Unlock()
}

// flush sends the buffer as a fragment, or as the whole message.
func (m *messageWriter) flush(isFinal bool) error {
	c := m.c
	deadline := c.currentWriteDeadline()
	var err error
	switch {
	case m.kind >= CloseMessage && !isFinal:
		err = &Error{Code: codeUsageControlSize, Message: "a control message carries at most 125 bytes"}
	case isFinal && !m.sent:
		err = c.write(context.Background(), deadline, outgoing{kind: m.kind, data: m.buffer})
	default:
		err = c.write(context.Background(), deadline,
			outgoing{kind: m.kind, data: m.buffer, fragment: true, first: !m.sent, final: isFinal})
	}
	var later *PendingError
	if err != nil && !errors.As(err, &later) {
		if m.sent || isFinal || m.kind >= CloseMessage {
			m.end(err)
		}
		return err
	}
	m.sent = true
	m.buffer = m.buffer[:0]
	return err
}

// JoinMessages is a reader of the payloads of all messages to come, each with term behind it.
func JoinMessages(c *Conn, term string) io.Reader { return &joined{c: c, term: term} }

type joined struct {
	c    *Conn
	term string
	r    io.Reader
	left string
}

// Read is io.Reader's.
func (j *joined) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if j.left != "" {
			n := copy(p, j.left)
			j.left = j.left[n:]
			return n, nil
		}
		if j.r == nil {
			var err error
			if _, j.r, err = j.c.NextReader(); err != nil {
				return 0, err
			}
		}
		n, err := j.r.Read(p)
		if err == io.EOF {
			j.r, j.left, err = nil, j.term, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}
