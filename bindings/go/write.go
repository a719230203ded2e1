//go:build cgo

package websocket

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// writer is what belongs to whoever holds the slot. Everything that leaves, leaves through the slot, so that frames stay
// whole. Whoever finds that something is owed (a pong, say) says so and takes the slot if it is free; whoever leaves the
// slot looks.
type writer struct {
	slot        gate
	owed        atomic.Bool
	inside      bool          // C holds bytes that were shown and not taken
	rest        []byte        // bytes that were taken and not written, before all others
	fragmented  chan struct{} // closed when the message in fragments is whole; nil when there is none
	writeErr    error         // nothing can be written any more
	deadlineSet time.Time
	writing     writing

	writeLimited atomic.Bool // there is a write deadline

	writers       sync.Mutex
	currentWriter *messageWriter
	isCloseSent   atomic.Bool
}

// closeLimit bounds what is written for nobody who waits.
const closeLimit = 5 * time.Second

// heavy calls into C run few at a time: a call that takes long costs a thread.
var heavy = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

const heavyFrom = 64 << 10

// WriteMessage sends one message: TextMessage (UTF-8), BinaryMessage, or a control message: CloseMessage with what
// [FormatCloseMessage] made, PingMessage, PongMessage, each with at most 125 bytes. Several goroutines may write at once. The
// write deadline limits it. Behind a close frame it returns [ErrCloseSent].
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	if isDone, err := c.writeSimple(messageType, data); isDone {
		return err
	}
	return c.write(context.Background(), c.currentWriteDeadline(), outgoing{kind: messageType, data: data})
}

// WriteContext is WriteMessage that ends when the context does too, with its error: the message was not taken, unless the error
// is a *[PendingError].
func (c *Conn) WriteContext(ctx context.Context, messageType int, data []byte) error {
	return c.write(ctx, c.currentWriteDeadline(), outgoing{kind: messageType, data: data})
}

// WriteControl sends a control message before the deadline, between the frames of other messages if need be. The zero time
// is no limit.
func (c *Conn) WriteControl(messageType int, data []byte, deadline time.Time) error {
	switch messageType {
	case CloseMessage, PingMessage, PongMessage:
		return c.write(context.Background(), deadline, outgoing{kind: messageType, data: data})
	}
	return errKind(messageType)
}

// isKind tells whether a number is a kind of message. C takes flags beside it, and cuts what is longer than its int.
func isKind(n int) bool {
	return n == TextMessage || n == BinaryMessage || n >= CloseMessage && n <= PongMessage
}

func errKind(messageType int) error {
	return &Error{Code: codeUsageKind, Message: "not a kind of message that can be sent here: " + strconv.Itoa(messageType)}
}

// outgoing is a message, or a fragment of one.
type outgoing struct {
	kind     int
	data     []byte
	fragment bool
	first    bool
	final    bool
}

func (c *Conn) write(ctx context.Context, deadline time.Time, o outgoing) error {
	if !isKind(o.kind) {
		return errKind(o.kind)
	}
	if err := c.lockSlot(ctx, deadline); err != nil {
		return c.lateWrite(o, err)
	}
	for c.fragmented != nil && o.kind < CloseMessage && (!o.fragment || o.first) {
		whole := c.fragmented
		c.unlockSlot()
		if err := c.await(ctx, deadline, whole); err != nil {
			return err
		}
		if err := c.lockSlot(ctx, deadline); err != nil {
			return err
		}
	}
	defer c.unlockSlot()
	if !c.h.enter() {
		return c.closedError("write")
	}
	defer c.h.leave()
	if c.writeErr != nil {
		return c.writeErr
	}
	defer c.bindWrites(ctx, deadline)()
	if len(c.rest) > 0 || c.inside {
		if err := c.flushInside(ctx); err != nil {
			return err
		}
	}
	buffer := takeOutput()
	defer giveOutput(buffer)
	var out C.wsgo_output
	if err := c.put(&o, buffer, &out); err != nil {
		return err
	}
	if err := c.emit(ctx, buffer, &out); err != nil {
		if c.writeErr != nil {
			return err // nothing leaves any more
		}
		return pending(err)
	}
	return nil
}

// lateWrite is the error of a write that was not begun: a time-out or a context. It is the last one where those are
// permanent, but for control messages, whose deadline is their own.
func (c *Conn) lateWrite(o outgoing, err error) error {
	if c.permanent && o.kind < CloseMessage && !c.closed.Load() && c.slot.try() {
		if c.writeErr == nil {
			c.writeErr = err
		}
		c.unlockSlot()
	}
	return err
}

// await waits for the end of somebody's message in fragments.
func (c *Conn) await(ctx context.Context, deadline time.Time, whole chan struct{}) error {
	var over <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-whole:
		return nil
	case <-c.whenClosed():
		return c.closedError("write")
	case <-ctx.Done():
		return ctx.Err()
	case <-over:
		return c.writeTimeout()
	}
}

// put gives a message to C.
func (c *Conn) put(o *outgoing, buffer *output, out *C.wsgo_output) error {
	if o.kind == CloseMessage {
		return c.putClose(o.data, buffer, out)
	}
	if len(o.data) >= heavyFrom {
		heavy <- struct{}{}
		defer func() { <-heavy }()
	}
	var raw *C.ws_error
	start, size, to := pointer(o.data), C.size_t(len(o.data)), unsafe.Pointer(buffer)
	if !o.fragment {
		result := C.wsgo_send(c.h.conn, C.int(o.kind), start, size, to, kitOut, out, &raw)
		runtime.KeepAlive(o.data)
		return c.taken(result, raw)
	}
	result := C.wsgo_send_fragment(c.h.conn, C.int(o.kind), start, size, flag(o.final), to, kitOut, out, &raw)
	runtime.KeepAlive(o.data)
	err := c.taken(result, raw)
	switch {
	case err == nil && o.first:
		c.fragmented = make(chan struct{})
	case c.fragmented != nil && (err != nil || o.final):
		if err != nil {
			// Its beginning is out, and nothing can follow but its end, which will not come.
			c.writeErr = err
		}
		close(c.fragmented)
		c.fragmented = nil
	}
	return err
}

// writing is a message on its way to C and the socket, in one crossing.
type writing struct {
	step  func(fd uintptr) bool
	data  []byte
	kind  int
	taken bool
	sent  C.wsgo_sent
}

// writeSimple is most writes: a small message to a socket, by nobody else and without a limit. It takes the slot without a
// wait, crosses into C once, and that writes once. False: nothing was done, write does it.
func (c *Conn) writeSimple(kind int, data []byte) (isDone bool, err error) {
	if kind == CloseMessage || !isKind(kind) || c.raw == nil || len(data) >= heavyFrom || c.writeLimited.Load() || !c.slot.try() {
		return false, nil
	}
	isFree := c.fragmented == nil && c.writeErr == nil && len(c.rest) == 0 && !c.inside && c.deadlineSet.IsZero()
	if isFree && c.h.enter() {
		isDone, err = c.putNow(kind, data)
		c.h.leave()
	}
	c.unlockSlot()
	return isDone, err
}

// putNow gives a message to C and writes it.
func (c *Conn) putNow(kind int, data []byte) (isDone bool, err error) {
	w := &c.writing
	w.data, w.kind, w.taken = data, kind, false
	c.raw.Write(w.step)
	w.data = nil
	if !w.taken {
		return false, nil // the stream is closed: write tells
	}
	if w.sent.rest_len > 0 {
		c.keepRest()
	}
	if w.sent.result != C.WS_OK && w.sent.result != C.WS_PENDING {
		return true, c.taken(w.sent.result, w.sent.error)
	}
	if w.sent.left != 0 || len(c.rest) > 0 {
		c.inside = w.sent.left != 0
		if err := c.flushInside(context.Background()); err != nil {
			return true, pending(err)
		}
	}
	return true, nil
}

// keepRest takes over what the socket did not.
func (c *Conn) keepRest() {
	sent := &c.writing.sent
	if sent.rest == nil {
		c.writeErr = makeError(sent.result, nil) // a part of the frame is gone, and with it the stream
		return
	}
	c.rest = C.GoBytes(sent.rest, C.int(sent.rest_len))
	C.free(sent.rest)
	sent.rest = nil
}

func (c *Conn) writeSocket(fd uintptr) bool {
	// The connection is on the heap, where nothing moves, and w.data keeps what it points to alive.
	w := &c.writing
	data, answer := uintptr(unsafe.Pointer(unsafe.SliceData(w.data))), uintptr(unsafe.Pointer(&w.sent))
	C.wsgo_send_now(c.h.conn, C.int(fd), C.int(w.kind), C.uintptr_t(data), C.size_t(len(w.data)), C.uintptr_t(answer))
	w.taken = true
	return true
}

// putClose sends a close frame and does not wait for the server's: the reader meets it.
func (c *Conn) putClose(data []byte, buffer *output, out *C.wsgo_output) error {
	var code C.int
	var reason string
	switch {
	case len(data) == 1:
		return &Error{Code: codeUsageClose, Message: "a close message is empty or begins with a code of two bytes"}
	case len(data) > 1:
		code, reason = C.int(binary.BigEndian.Uint16(data)), string(data[2:])
		if code == 0 {
			return &Error{Code: codeUsageCloseCode, Message: "0 is no close code"}
		}
	}
	var result C.int
	err := lend(func(c0 []*C.char, raw **C.ws_error) C.int {
		result = C.ws_start_close(c.h.conn, code, c0[0], raw)
		return result
	}, reason)
	if err != nil {
		return err
	}
	if err := c.taken(result, nil); err != nil {
		return err
	}
	c.isCloseSent.Store(true)
	return c.show(0, buffer, out)
}

// taken is what C's answer to a message means.
func (c *Conn) taken(result C.int, raw *C.ws_error) error {
	switch {
	case result < 0:
		failure := makeError(result, raw)
		if failure.CloseCode != 0 && failure.CloseCode != CloseAbnormalClosure {
			return ErrCloseSent // because of what the reader met, who is told what it was
		}
		return failure
	case result == C.WS_CLOSED:
		return ErrCloseSent
	case result == C.WS_AGAIN:
		return &Error{Code: codeInternal, Message: "the unsent limit was reached though nothing is unsent"}
	}
	return nil
}

// show takes off done bytes of what C has lent and shows what is to be written next.
func (c *Conn) show(done int, buffer *output, out *C.wsgo_output) error {
	var raw *C.ws_error
	if result := C.wsgo_output_next(c.h.conn, C.size_t(done), unsafe.Pointer(buffer), kitOut, out, &raw); result < 0 {
		return makeError(result, raw)
	}
	return nil
}

// emit writes what C shows until it shows nothing.
func (c *Conn) emit(ctx context.Context, buffer *output, out *C.wsgo_output) error {
	for out.copied > 0 || out.lent_len > 0 {
		if out.copied > 0 {
			if n, err := c.writeStream(ctx, buffer[:out.copied]); err != nil {
				c.rest = bytes.Clone(buffer[n:out.copied])
				c.inside = true
				return err
			}
		}
		done := 0
		if out.lent_len > 0 {
			lent := unsafe.Slice((*byte)(out.lent), int(out.lent_len))
			n, err := c.writeStream(ctx, lent)
			if err != nil {
				c.inside = true
				c.show(n, buffer, out)
				if out.copied > 0 {
					c.rest = bytes.Clone(buffer[:out.copied])
				}
				return err
			}
			done = n
		} else if out.more == 0 && !c.owed.Load() {
			return nil
		}
		c.owed.Store(false)
		if err := c.show(done, buffer, out); err != nil {
			return err
		}
	}
	return nil
}

// flushInside writes what earlier calls left.
func (c *Conn) flushInside(ctx context.Context) error {
	if len(c.rest) > 0 {
		n, err := c.writeStream(ctx, c.rest)
		if err != nil {
			c.rest = bytes.Clone(c.rest[n:])
			return err
		}
		c.rest = nil
	}
	if !c.inside {
		return nil
	}
	c.inside = false
	return c.emitOwed(ctx)
}

// emitOwed writes what C has to be written.
func (c *Conn) emitOwed(ctx context.Context) error {
	buffer := takeOutput()
	defer giveOutput(buffer)
	var out C.wsgo_output
	c.owed.Store(false)
	if err := c.show(0, buffer, &out); err != nil {
		return err
	}
	return c.emit(ctx, buffer, &out)
}

// writeStream writes to the stream. Any failure but a time-out is for good.
func (c *Conn) writeStream(ctx context.Context, p []byte) (int, error) {
	n, err := c.netConn.Write(p)
	if err == nil {
		return n, nil
	}
	if c.closed.Load() {
		return n, c.closedError("write")
	}
	if isTimeout(err) && c.raw != nil {
		if cause := ctx.Err(); cause != nil {
			err = cause
		}
		if c.permanent {
			c.writeErr = err
		}
		return n, err
	}
	if cause := ctx.Err(); cause != nil && isTimeout(err) {
		err = cause
	}
	// A stream that is no socket may have lost its place: crypto/tls has.
	c.writeErr = err
	return n, err
}

// pending is the error of a write whose message was taken: only time-outs leave it to be written.
func pending(err error) error {
	if isTimeout(err) || err == context.Canceled {
		return &PendingError{Err: err}
	}
	return err
}

// lockSlot takes the slot, or says why not.
func (c *Conn) lockSlot(ctx context.Context, deadline time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !deadline.IsZero() && time.Until(deadline) <= 0 {
		return c.writeTimeout()
	}
	if c.slot.try() {
		return nil
	}
	turn := c.slot.turn()
	var over <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		over = timer.C
	}
	closed := c.whenClosed()
	for !c.slot.waits() {
		select {
		case <-turn:
		case <-closed:
			return c.closedError("write")
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return c.writeTimeout()
		}
	}
	return nil
}

func (c *Conn) writeTimeout() error { return c.opError("write", os.ErrDeadlineExceeded) }

func (c *Conn) unlockSlot() {
	c.slot.leave()
	if c.owed.Load() {
		c.kick()
	}
}

// bindWrites makes the deadline and the context bound the stream's writes, until the answered function is called.
func (c *Conn) bindWrites(ctx context.Context, deadline time.Time) (unbind func()) {
	c.setStreamDeadline(deadline)
	if ctx.Done() == nil {
		return func() {}
	}
	broken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.netConn.SetWriteDeadline(longAgo)
		close(broken)
	})
	return func() {
		if !stop() {
			<-broken
			c.deadlineSet = longAgo
		}
	}
}

func (c *Conn) setStreamDeadline(deadline time.Time) {
	if !deadline.Equal(c.deadlineSet) {
		c.deadlineSet = deadline
		c.netConn.SetWriteDeadline(deadline)
	}
}

// kick sees to it that what C has to be written is: by whoever holds the slot, else at once if the socket takes it, else by a
// goroutine of its own. It never waits.
func (c *Conn) kick() {
	c.owed.Store(true)
	if !c.slot.try() {
		return
	}
	if c.writeNow() {
		c.unlockSlot()
		return
	}
	go func() {
		c.serve(closeLimit)
		c.unlockSlot()
	}()
}

// serve writes what is owed, within the limit. The caller holds the slot.
func (c *Conn) serve(limit time.Duration) error {
	c.owed.Store(false)
	if !c.h.enter() {
		return c.closedError("write")
	}
	defer c.h.leave()
	if c.writeErr != nil {
		return c.writeErr
	}
	ctx := context.Background()
	c.setStreamDeadline(time.Now().Add(limit))
	c.inside = true
	return c.flushInside(ctx)
}

// seeOff writes what is owed at the end, and waits for it a second at the most.
func (c *Conn) seeOff() error {
	by := time.Now().Add(time.Second)
	if err := c.lockSlot(context.Background(), by); err != nil {
		return err
	}
	defer c.unlockSlot()
	return c.serve(time.Until(by))
}

// writeNow writes what is owed if it is little and the socket takes it. The caller holds the slot.
func (c *Conn) writeNow() bool {
	if c.raw == nil || len(c.rest) > 0 || c.inside {
		return false
	}
	c.owed.Store(false) // before all else: behind Close it would be owed for ever
	if !c.h.enter() {
		return true
	}
	defer c.h.leave()
	if c.writeErr != nil {
		return true
	}
	buffer := takeOutput()
	defer giveOutput(buffer)
	var out C.wsgo_output
	if c.show(0, buffer, &out) != nil {
		return true
	}
	if out.lent_len > 0 {
		c.inside = true
	}
	left := buffer[:out.copied]
	c.setStreamDeadline(time.Time{})
	c.raw.Write(func(fd uintptr) bool {
		for len(left) > 0 {
			n, err := syscall.Write(int(fd), left)
			if err == syscall.EINTR {
				continue
			}
			if err != nil {
				return true
			}
			left = left[n:]
		}
		return true
	})
	if len(left) > 0 {
		c.rest = bytes.Clone(left)
	}
	return len(left) == 0 && !c.inside
}
