package websocket

/*
#include <stdlib.h>
#include "wsdial.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"unsafe"
)

// Conn is a WebSocket connection. One goroutine reads at a time; any number write, and anybody closes.
type Conn struct {
	memory      *memory
	cleanup     runtime.Cleanup
	subprotocol string
	local       net.Addr
	remote      net.Addr

	reading sync.Mutex // held by the reader, which owns memory.message

	mu        sync.Mutex
	calls     int // inside C at this moment
	closed    bool
	closeSent bool
}

// memory is what C allocated for a connection.
type memory struct {
	conn    *C.ws_conn
	message *C.ws_message
}

func (m *memory) free() {
	C.ws_message_free(m.message)
	C.free(unsafe.Pointer(m.message))
	C.ws_conn_free(m.conn)
}

func newConn(handle *C.ws_conn) *Conn {
	// C's own zeroed memory, so that no pointer into Go's is ever held by C. calloc does not fail under cgo.
	message := (*C.ws_message)(C.calloc(1, C.sizeof_ws_message))
	c := &Conn{
		memory:      &memory{handle, message},
		subprotocol: C.GoString(C.ws_subprotocol(handle)),
		local:       address(C.ws_local_address(handle)),
		remote:      address(C.ws_peer_address(handle)),
	}
	// For a connection that nobody closed and nobody holds any more.
	c.cleanup = runtime.AddCleanup(c, func(m *memory) { m.free() }, c.memory)
	return c
}

// address is a *net.TCPAddr, or a *net.UnixAddr where C has none to tell.
func address(text *C.char) net.Addr {
	if text == nil {
		return &net.UnixAddr{Net: "unix"}
	}
	parsed, err := netip.ParseAddrPort(C.GoString(text))
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(parsed)
}

// Subprotocol is what the server picked, "" when it picked none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr is this end of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the server's end of the connection.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// ReadMessage returns the next message. It answers pings on the way. An error is the end of the connection, and each
// later call returns it again: *CloseError when the server closed, ErrReadLimit for a message over the limit, an error
// for which errors.Is(err, net.ErrClosed) holds after Close.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	if !c.reading.TryLock() {
		return -1, nil, &Error{Code: codeUsageReceiver, Message: "another goroutine is reading from this connection"}
	}
	defer c.reading.Unlock()
	if err := c.enter("read"); err != nil {
		return -1, nil, err
	}
	defer c.leave()

	message := c.memory.message
	var raw *C.ws_error
	switch result := C.ws_recv(c.memory.conn, C.WS_FOREVER, message, &raw); result {
	case C.WS_OK:
		return int(message.kind), bytes.Clone(payload(message)), nil
	case C.WS_CLOSED:
		return -1, nil, c.closeError()
	default:
		return -1, nil, c.readError(makeError(result, raw))
	}
}

// payload is never nil, and valid until the next receive.
func payload(message *C.ws_message) []byte {
	if message.len == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(message.data)), int(message.len))
}

func (c *Conn) closeError() error {
	if c.isClosed() {
		return c.netError("read")
	}
	var size C.size_t
	reason := C.ws_close_reason(c.memory.conn, &size)
	return &CloseError{Code: int(C.ws_close_code(c.memory.conn)), Text: C.GoStringN(reason, C.int(size))}
}

func (c *Conn) readError(failure *Error) error {
	if c.isClosed() {
		return c.netError("read")
	}
	switch failure.Code {
	case codeLimitMessage:
		return ErrReadLimit
	case codeAbnormal, codeAbnormalTLSCut:
		return &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
	}
	return failure
}

// WriteMessage sends one message: TextMessage (UTF-8), BinaryMessage, or a control message: CloseMessage with what
// FormatCloseMessage made, PingMessage, PongMessage, each with at most 125 bytes. Several goroutines may write at once.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	if err := c.enter("write"); err != nil {
		return err
	}
	defer c.leave()
	if c.isCloseSent() {
		return ErrCloseSent
	}
	if messageType == CloseMessage {
		return c.writeClose(data)
	}

	var raw *C.ws_error
	var result C.int
	conn, start, size := c.memory.conn, pointer(data), C.size_t(len(data))
	switch messageType {
	case PingMessage:
		result = C.ws_ping(conn, start, size, C.WS_FOREVER, &raw)
	case PongMessage:
		result = C.ws_pong(conn, start, size, C.WS_FOREVER, &raw)
	default:
		result = C.ws_send(conn, C.int(messageType), start, size, C.WS_FOREVER, &raw)
	}
	runtime.KeepAlive(data)
	switch {
	case result == C.WS_OK || result == C.WS_PENDING:
		return nil
	case c.isClosed():
		C.ws_error_free(raw)
		return c.netError("write")
	case result == C.WS_CLOSED:
		return ErrCloseSent
	default:
		return makeError(result, raw)
	}
}

// writeClose sends a close frame and does not wait for the server's: the reader meets it.
func (c *Conn) writeClose(data []byte) error {
	var code C.int
	var text string
	switch {
	case len(data) == 1:
		return &Error{Code: codeUsageClose, Message: "a close message is empty or begins with a code of two bytes"}
	case len(data) > 1:
		code, text = C.int(binary.BigEndian.Uint16(data)), string(data[2:])
		if code == 0 {
			return &Error{Code: codeUsageClose, Message: "0 is no close code"}
		}
	}
	err := lend(func(c0 []*C.char, raw **C.ws_error) C.int {
		result := C.ws_close(c.memory.conn, code, c0[0], C.WS_NOWAIT, raw)
		if result > 0 {
			return C.WS_OK // it goes on: WS_AGAIN
		}
		return result
	}, text)
	if err == nil {
		c.mu.Lock()
		c.closeSent = true
		c.mu.Unlock()
	}
	return err
}

// SetReadLimit limits messages to that many bytes, from the next frame on; zero and less is no limit. A longer message
// ends the connection with close code 1009.
func (c *Conn) SetReadLimit(limit int64) {
	if c.enter("set") != nil {
		return
	}
	defer c.leave()
	C.ws_set_max_message(c.memory.conn, C.size_t(max(limit, 0)), nil)
}

// Close ends the connection at once and wakes whoever is reading or writing. It does not wait for the server: a program
// that wants the server's close writes a CloseMessage and reads on until the error comes. Close twice is harmless.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.calls++
	c.mu.Unlock()
	// The shortest wait that ends with the connection shut down.
	C.ws_close(c.memory.conn, CloseNormalClosure, nil, 1, nil)
	c.leave()
	return nil
}

// enter begins a call into C; leave ends it. Memory is freed when the connection is closed and nobody is inside.
func (c *Conn) enter(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.netError(op)
	}
	c.calls++
	return nil
}

func (c *Conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	if c.closed && c.calls == 0 {
		c.cleanup.Stop()
		c.memory.free()
	}
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *Conn) isCloseSent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeSent
}

func (c *Conn) netError(op string) error {
	return &net.OpError{Op: op, Net: c.remote.Network(), Source: c.local, Addr: c.remote, Err: net.ErrClosed}
}
