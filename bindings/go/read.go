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
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// reader is what belongs to the goroutine that reads.
type reader struct {
	reading  atomic.Bool
	readErr  error // the end, once it was told
	ioErr    error // why the stream broke, told behind the messages that came before
	ended    bool  // the stream has
	dry      bool  // C has nothing to make a message of
	inPieces bool  // the one who reads wants pieces
	large    int   // how long the last message was, if it was large: the next header is read with little else
	noWait   bool
	readN    int
	readIO   error
	readStep func(fd uintptr) bool
	arrival  C.wsgo_arrival // of the last read from a socket
	arrived  bool           // and nobody has judged it yet
	state    C.wsgo_state   // behind the last call that received
	landing  *landing       // a large message that has come in part
	landed   C.wsgo_landing
	inBlock  bool           // what has landed is in the kit's block
	current  *messageReader // of NextReader
	readBuf  []byte         // for what is no socket, which cannot be waited for without one
}

// largeFrom is from what size on a message counts as large, and headerRead how much is read behind one.
const (
	largeFrom  = 32 << 10
	headerRead = 1 << 10
)

var errWouldBlock = errors.New("nothing to read now")

// longAgo as a deadline breaks off what waits.
var longAgo = time.Unix(1, 0)

// ReadMessage returns the next message. It answers pings on the way. The error is *[CloseError] when the server closed or
// was lost (1006), [ErrReadLimit] for a message over the limit, a net.Error whose Timeout method says so when the read deadline was
// reached, one for which errors.Is(err, [net.ErrClosed]) holds after Close. All but a time-out are the end of the connection,
// and each later call returns the same.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	return c.ReadContext(context.Background())
}

// ReadContext is ReadMessage that ends when the context does, with its error. Nothing is lost by that: a later read goes
// on where it stopped.
func (c *Conn) ReadContext(ctx context.Context) (messageType int, p []byte, err error) {
	if err := c.beginRead(); err != nil {
		return -1, nil, err
	}
	defer c.endRead()
	kind, data, err := c.nextMessage(ctx, nil)
	if err != nil {
		return -1, nil, err
	}
	if c.landing != nil {
		p = data // nobody else's
	} else {
		p = make([]byte, len(data))
		copy(p, data)
	}
	c.received()
	return kind, p, nil
}

// ReadAppend is ReadContext into memory of the program's: it appends the message to buf and returns the longer slice, which
// is in buf's memory when that has room. With a buffer that is used again, ReadAppend(ctx, buf[:0]), receiving makes no
// garbage, which is most of what large messages cost. After an error p is buf as it was.
func (c *Conn) ReadAppend(ctx context.Context, buf []byte) (messageType int, p []byte, err error) {
	if err := c.beginRead(); err != nil {
		return -1, buf, err
	}
	defer c.endRead()
	kind, data, err := c.nextMessage(ctx, buf)
	if err != nil {
		return -1, buf, err
	}
	if c.landing != nil {
		p = c.landing.data // behind buf already
	} else {
		p = append(buf, data...)
	}
	c.received()
	return kind, p, nil
}

func (c *Conn) beginRead() error {
	if !c.reading.CompareAndSwap(false, true) {
		return &Error{Code: codeUsageReceiver, Message: "another goroutine is reading from this connection"}
	}
	if !c.h.enter() {
		c.reading.Store(false)
		return c.closedError("read")
	}
	return nil
}

func (c *Conn) endRead() {
	c.h.leave()
	c.reading.Store(false)
}

// nextMessage shows the next message where it lies, until received is called: in the kit, or, a large one, landed behind buf.
// A reader of NextReader is at its end.
func (c *Conn) nextMessage(ctx context.Context, buf []byte) (int, []byte, error) {
	if c.current != nil {
		if err := c.finishCurrent(); err != nil {
			return -1, nil, err
		}
	}
	if c.landing != nil {
		c.landing.resume(buf)
		if err := c.goOn(ctx); err != nil {
			return -1, nil, err
		}
	}
	for {
		if k := c.h.kit; c.landing == nil && (k == nil || !k.holdsMessage()) {
			if err := c.fetch(ctx, buf); err != nil {
				return -1, nil, err
			}
		}
		if l := c.landing; l != nil {
			return l.kind, l.message(), nil
		}
		kind, data, err := c.keptMessage()
		if err != errNoMessage {
			return kind, data, err
		}
	}
}

var errNoMessage = errors.New("only control frames")

// keptMessage shows the kit's next message. Control frames in front of it are handled.
func (c *Conn) keptMessage() (int, []byte, error) {
	for c.h.kit != nil && c.h.kit.holdsMessage() {
		kind, data := c.h.kit.peek()
		if kind < CloseMessage {
			return kind, data, nil
		}
		c.h.kit.drop() // first: a handler that panics is not called twice for a frame
		if err := c.handleControl(kind, data); err != nil {
			// It is over: what came behind is not told.
			k := c.h.kit
			c.h.kit = nil
			k.giveBack()
			return -1, nil, err
		}
		c.restKit()
	}
	return -1, nil, errNoMessage
}

func (c *Conn) received() {
	if c.landing != nil {
		c.landing = nil
		return
	}
	c.h.kit.drop()
	c.restKit()
}

// restKit gives the kit back when nothing is in it.
func (c *Conn) restKit() {
	if k := c.h.kit; k != nil && !k.holdsMessage() {
		c.h.kit = nil
		k.giveBack()
	}
}

// mayRead says why nothing may be read, if so.
func (c *Conn) mayRead(ctx context.Context) error {
	if c.readErr != nil {
		return c.readErr
	}
	if err := ctx.Err(); err != nil {
		return c.impatient(err)
	}
	return nil
}

// goOn brings the message to its end whose read was broken off.
func (c *Conn) goOn(ctx context.Context) error {
	if c.landing.whole {
		return nil
	}
	if err := c.mayRead(ctx); err != nil {
		c.landing.keep()
		return err
	}
	return c.land(ctx)
}

// fetch brings messages into the kit, or lands a large one behind buf, or says why there are none.
func (c *Conn) fetch(ctx context.Context, buf []byte) error {
	if err := c.mayRead(ctx); err != nil {
		return err
	}
	defer c.restKit()
	c.inPieces = false
	for {
		var data []byte
		if c.dry && !c.ended {
			if c.large > 0 && c.raw != nil && cap(buf)-len(buf) >= c.large {
				return c.expectLanding(ctx, buf)
			}
			var err error
			if data, err = c.readMore(ctx); err != nil {
				return err
			}
		}
		if !c.inBlock {
			if err, again := c.decode(data); !again {
				return err
			}
		}
		if c.inBlock || (c.state.direct >= landFrom && c.raw != nil && !c.ended) {
			if err := c.beginLanding(ctx, buf); err != nil || c.landing != nil {
				return err
			}
		}
	}
}

// decode gives bytes to C and takes what is whole; again when nothing is, and nothing is over.
func (c *Conn) decode(data []byte) (err error, again bool) {
	if c.h.kit == nil {
		c.h.kit = takeKit()
	}
	k := c.h.kit
	var raw *C.ws_error
	var state C.wsgo_state
	var result C.int
	if c.arrived {
		c.arrived = false
		result, state, raw = c.arrival.result, c.arrival.state, c.arrival.error
	} else {
		result = C.wsgo_recv(c.h.conn, pointer(data), C.size_t(len(data)), flag(c.ended), k.batch, &state, &raw)
	}
	if c.large = k.begin(); c.large < largeFrom {
		c.large = 0
	}
	again, err = c.judge(result, state, raw)
	if k.holdsMessage() {
		return nil, false
	}
	return err, again
}

// judge sees to what a receiving call into C led to: again when nothing came and nothing is over.
func (c *Conn) judge(result C.int, state C.wsgo_state, raw *C.ws_error) (again bool, err error) {
	c.state = state
	ending, wants := state.ending, state.wants
	c.dry = (result == C.WS_AGAIN && ending == 0) || (result == C.WS_OK && wants == C.WS_WANT_READ)
	isOver := result < 0 || result == C.WS_CLOSED
	mustWrite := wants&C.WS_WANT_WRITE != 0
	if mustWrite && ending == 0 && !isOver {
		c.kick()
	}
	switch {
	case result == C.WS_OK:
		return true, nil
	case result == C.WS_AGAIN && c.ended && ending == 0:
		c.readErr = c.ioErr
		if c.readErr == nil {
			c.readErr = &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
		}
		return false, c.readErr
	case result == C.WS_AGAIN:
		// What tells the server of the end has to leave before we are told.
		if ending != 0 && c.seeOff() != nil {
			c.ended = true
		}
		return true, nil
	}
	c.readErr = c.ending(result, raw)
	if mustWrite {
		c.seeOff()
	}
	return false, c.readErr
}

// ending is how the end is told.
func (c *Conn) ending(result C.int, raw *C.ws_error) error {
	if result == C.WS_CLOSED {
		var size C.size_t
		reason := C.ws_close_reason(c.h.conn, &size)
		return &CloseError{Code: int(C.ws_close_code(c.h.conn)), Text: C.GoStringN(reason, C.int(size))}
	}
	failure := makeError(result, raw)
	switch failure.Code {
	case codeLimitMessage:
		return ErrReadLimit
	case codeAbnormal, codeAbnormalTLSCut:
		if c.ioErr != nil {
			return c.ioErr
		}
		return &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
	}
	return failure
}

// readMore waits for bytes from the stream. At its end it says so in c.ended, and the error is that of a time-out, of a
// context, or of Close.
func (c *Conn) readMore(ctx context.Context) ([]byte, error) {
	if ctx.Done() == nil {
		return c.readStream(ctx, false)
	}
	if c.raw != nil {
		// Most often something is there.
		data, err := c.readStream(ctx, true)
		if err != errWouldBlock {
			return data, err
		}
	}
	mended := c.breakReads(ctx)
	data, err := c.readStream(ctx, false)
	mended()
	return data, err
}

func (c *Conn) readStream(ctx context.Context, noWait bool) ([]byte, error) {
	var data []byte
	var n int
	var err error
	if c.raw != nil {
		c.noWait = noWait
		if err = c.raw.Read(c.readStep); err == nil {
			n, err = c.readN, c.readIO
		}
		if n > 0 {
			return nil, nil
		}
		if err == errWouldBlock {
			return nil, err
		}
	} else {
		n, err = c.netConn.Read(c.roomToRead())
		c.readN = n
		if n > 0 {
			data = c.readBuf[:n]
		}
	}
	if err == nil || c.closed.Load() {
		if c.closed.Load() {
			return nil, c.closedError("read")
		}
		return data, nil
	}
	if isTimeout(err) {
		if n > 0 || c.isOver() {
			return data, nil
		}
		if cause := ctx.Err(); cause != nil {
			return nil, c.impatient(cause)
		}
		return nil, c.impatient(timeoutError("read", c, err))
	}
	c.ended = true
	if err != io.EOF && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.ioErr = err
	}
	return data, nil
}

// readSocket is one read from the socket, by C, which puts it where it belongs. The kit is taken for it and, where there is
// nothing to read, given back before the wait.
func (c *Conn) readSocket(fd uintptr) bool {
	switch {
	case c.landing != nil:
		return c.landSocket(fd)
	case c.large > 0 && !c.inPieces:
		return c.beginSocket(fd)
	case c.h.kit == nil:
		c.h.kit = takeKit()
	}
	batch := c.h.kit.batch
	if c.inPieces {
		batch = nil
	}
	C.wsgo_read(c.h.conn, C.int(fd), C.size_t(c.readSize), batch, &c.arrival)
	if c.arrival.got > 0 {
		c.readN, c.readIO = 1, nil
		c.arrived = !c.inPieces || c.arrival.result != C.WS_OK
		return true
	}
	return c.cameNothing()
}

// cameNothing says what a read from the socket has met instead of bytes, and whether that is worth knowing.
func (c *Conn) cameNothing() bool {
	if c.arrival.got == 0 {
		c.readN, c.readIO = 0, io.EOF
		return true
	}
	c.readN, c.readIO = 0, errWouldBlock
	if err := syscall.Errno(c.arrival.os_error); err != syscall.EAGAIN {
		c.readIO = &net.OpError{Op: "read", Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
			Err: os.NewSyscallError("read", err)}
		return true
	}
	c.restKit()
	return c.noWait
}

// roomToRead is a buffer of the connection's own, as large as the reads were so far.
func (c *Conn) roomToRead() []byte {
	const least, most = 4 << 10, 32 << 10
	switch size := len(c.readBuf); {
	case size == 0 && c.readSize > 0:
		c.readBuf = make([]byte, max(c.readSize, 256))
	case size == 0:
		c.readBuf = make([]byte, least)
	case c.readSize == 0 && c.readN == size && size < most:
		c.readBuf = make([]byte, 2*size)
	}
	return c.readBuf
}

// breakReads lets the context break off reads, until the answered function is called, which puts the user's deadline back.
func (c *Conn) breakReads(ctx context.Context) (mended func()) {
	broken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.readsBroken = true
		c.netConn.SetReadDeadline(longAgo)
		c.mu.Unlock()
		close(broken)
	})
	return func() {
		if stop() {
			return
		}
		<-broken
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.over {
			c.readsBroken = false
			c.netConn.SetReadDeadline(c.readDeadline)
		}
	}
}

// impatient is the error of a read that was broken off, which is the last one where timeouts are permanent.
func (c *Conn) impatient(err error) error {
	if c.permanent {
		c.readErr = err
	}
	return err
}

func (c *Conn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// timeoutError names the operation: the poller knows a raw one only. A net.Error stays as it came, and one that the program's
// own net.Conn has wrapped becomes one.
func timeoutError(op string, c *Conn, err error) error {
	if _, ok := err.(net.Error); ok && c.raw == nil {
		return err
	}
	return c.opError(op, os.ErrDeadlineExceeded)
}
