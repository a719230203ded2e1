//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"context"
	"runtime"
	"syscall"
	"unsafe"
)

// landing is a large message on its way from a socket straight into Go's memory, where it is read without a copy. C judges
// it where it lies, piece by piece. It outlives the read that began it when that is broken off.
type landing struct {
	data  []byte // the program's own bytes, if any, then what came of the message
	from  int    // where the message begins
	lent  bool   // the memory is the program's, for this one read
	kind  int
	whole bool
}

const (
	landFrom   = 16 << 10 // from how much awaited payload on it is worth it
	landAtOnce = 1 << 20  // the most memory that is made on a header's word
)

// message is what came of it.
func (l *landing) message() []byte { return l.data[l.from:] }

// free is where the next piece goes.
func (l *landing) free() []byte { return l.data[len(l.data):cap(l.data)] }

// resume goes on with a message whose read was broken off, behind buf.
func (l *landing) resume(buf []byte) {
	if cap(buf) > 0 {
		l.data, l.from, l.lent = append(buf, l.message()...), len(buf), true
	} else {
		l.data, l.from = l.message(), 0
	}
}

// keep makes what came of a message its own, for a later read; also when a handler panics.
func (l *landing) keep() {
	if l.lent && !l.whole {
		l.data, l.from, l.lent = bytes.Clone(l.message()), 0, false
	}
}

// makeRoom is for what is awaited, and never for less than C asks for. What is the only frame of its message gets exactly that.
func (l *landing) makeRoom(awaited C.size_t) {
	more := int(min(max(awaited, C.LEAST_LANDING), C.size_t(max(landAtOnce, len(l.data)))))
	if cap(l.data)-len(l.data) >= more {
		return
	}
	if came := len(l.message()); came > 0 {
		more = max(more, came/2)
	}
	grown := make([]byte, len(l.data), len(l.data)+more)
	copy(grown, l.data)
	l.data, l.lent = grown, false
}

// expectLanding lands what comes next behind buf, as the last message was large too and there is room for another. It may turn
// out to be a small one.
func (c *Conn) expectLanding(ctx context.Context, buf []byte) error {
	c.landing = &landing{data: buf, from: len(buf), lent: true}
	return c.land(ctx)
}

// beginLanding takes over the message that C has the beginning of, behind buf. That goes through a kit's block, where it may be
// already: how much it is tells how much memory the message needs.
func (c *Conn) beginLanding(ctx context.Context, buf []byte) error {
	l := &landing{data: buf, from: len(buf), lent: cap(buf) > 0}
	c.landing = l
	defer l.keep()
	block := c.takeBlock()
	if !c.arrived {
		c.landNow(-1, block)
	}
	c.inBlock = false
	first := block[:c.landed.len]
	if len(first) > 0 {
		l.makeRoom(c.landed.len + c.arrival.state.direct)
		copy(l.free(), first)
	}
	c.took()
	err := c.settleLanding(block[len(first):])
	c.restKit()
	if err != nil {
		return err
	}
	if len(first) == 0 && !l.whole {
		c.landing = nil // only a control frame
		return nil
	}
	return c.land(ctx)
}

// takeBlock is the kit's block.
func (c *Conn) takeBlock() []byte {
	if c.h.kit == nil {
		c.h.kit = takeKit()
	}
	return c.h.kit.room()
}

// land brings the message to its end, or says why not.
func (c *Conn) land(ctx context.Context) error {
	l := c.landing
	defer l.keep()
	for !l.whole {
		l.makeRoom(c.state.direct)
		if c.dry && !c.ended {
			if _, err := c.readMore(ctx); err != nil {
				return err
			}
		} else {
			c.landNow(-1, l.free())
		}
		if !c.arrived {
			continue // the stream has ended
		}
		c.took()
		if err := c.settleLanding(l.free()); err != nil {
			return err
		}
	}
	if c.large = len(l.message()); c.large < largeFrom {
		c.large = 0
	}
	return nil
}

// settleLanding sees to what a turn in C led to. A control frame's payload lies behind the piece.
func (c *Conn) settleLanding(behind []byte) error {
	c.arrived = false
	_, err := c.judge(c.arrival.result, c.arrival.state, c.arrival.error)
	if came := &c.landed; err == nil && came.control != 0 {
		err = c.handleControl(int(came.control), behind[:came.control_len])
	}
	if err != nil {
		c.landing = nil
	}
	return err
}

// landNow is one turn in C, with one read if there is a descriptor.
func (c *Conn) landNow(fd C.int, to []byte) {
	address := uintptr(unsafe.Pointer(unsafe.SliceData(to))) // of the heap, where nothing moves
	likely := 0
	if c.landing != nil && len(c.landing.message()) == 0 {
		likely = c.large
	}
	C.wsgo_land(c.h.conn, fd, headerRead, C.size_t(likely), flag(c.ended), C.uintptr_t(address), C.size_t(len(to)), &c.landed, &c.arrival)
	runtime.KeepAlive(to)
	c.arrived = true
}

// beginSocket is readSocket where a large message is expected: its beginning goes to the kit's block.
func (c *Conn) beginSocket(fd uintptr) bool {
	c.landNow(C.int(fd), c.takeBlock()[:headerRead+C.LEAST_LANDING])
	if c.arrival.got > 0 {
		c.readN, c.readIO, c.inBlock = 1, nil, true
		return true
	}
	c.arrived = false
	return c.cameNothing()
}

// landSocket is readSocket where a message lands. In the middle of it nobody need be told of what came: it waits for more.
func (c *Conn) landSocket(fd uintptr) bool {
	c.landNow(C.int(fd), c.landing.free())
	a := &c.arrival
	if a.got <= 0 {
		c.arrived = false
		return c.cameNothing()
	}
	isMiddle := syscall.Errno(a.os_error) == syscall.EAGAIN && a.result == C.WS_AGAIN && a.state.wants == C.WS_WANT_READ && a.state.direct > 0
	if isMiddle && !c.noWait {
		c.took()
		c.arrived = false
		return false
	}
	c.readN, c.readIO = 1, nil
	return true
}

// took makes what has landed the message's.
func (c *Conn) took() {
	l, came := c.landing, &c.landed
	l.data = l.data[:len(l.data)+int(came.len)]
	if came.len > 0 || came.is_final != 0 {
		l.kind, l.whole = int(came.kind), came.is_final != 0
	}
}
