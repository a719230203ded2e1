//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a WebSocket connection. One goroutine reads at a time; any number write, and anybody closes.
type Conn struct {
	h           *handle
	netConn     net.Conn
	raw         syscall.RawConn // of a TCP or unix socket, else nil
	subprotocol string
	writePool   BufferPool
	keepalive   *keepalive
	handlers    atomic.Pointer[handlers]
	readSize    int32
	writeSize   int32

	reader // of the goroutine that reads
	writer // of whoever holds the slot

	closed    atomic.Bool
	permanent bool // Dialer.PermanentTimeouts

	mu             sync.Mutex
	readDeadline   time.Time
	writeDeadline  time.Time
	done           chan struct{} // closed by Close, if anybody waits for it
	level          int8          // of compression, as compress/flate counts
	compressionOff bool
	readsBroken    bool // the deadline of netConn is not the user's: a context is done, or it is over
	over           bool // C knows a failure that the stream does not
}

func newConn(h *handle, netConn net.Conn, d *Dialer) *Conn {
	c := &Conn{
		h:         h,
		netConn:   netConn,
		permanent: d.PermanentTimeouts,
		readSize:  int32(min(max(d.ReadBufferSize, 0), 1<<30)),
		writeSize: int32(min(max(d.WriteBufferSize, 0), 1<<30)),
		writePool: d.WriteBufferPool,
		level:     1,
	}
	switch socket := netConn.(type) {
	case *net.TCPConn:
		c.raw, _ = socket.SyscallConn()
	case *net.UnixConn:
		c.raw, _ = socket.SyscallConn()
	}
	if c.raw != nil {
		c.readStep = c.readSocket
		c.writing.step = c.writeSocket
	}
	c.subprotocol = C.GoString(C.ws_subprotocol(h.conn))
	// For a connection that nobody closed and nobody holds any more; its net.Conn sees to itself.
	h.cleanup = runtime.AddCleanup(c, func(h *handle) { h.free() }, h)
	return c
}

// Subprotocol is what the server picked, "" when it picked none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr is this end of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.netConn.LocalAddr() }

// RemoteAddr is the server's end of the connection, or the proxy's.
func (c *Conn) RemoteAddr() net.Addr { return c.netConn.RemoteAddr() }

// NetConn is the connection that carries this one: what NetDial, NetDialContext or NetDialTLSContext gave, a *[tls.Conn]
// when TLSClientConfig was set, else the socket. Reading from it or writing to it breaks the WebSocket connection.
func (c *Conn) NetConn() net.Conn { return c.netConn }

// UnderlyingConn is NetConn.
//
// Deprecated: Use NetConn.
func (c *Conn) UnderlyingConn() net.Conn { return c.netConn }

// SetReadDeadline limits the reads that are under way and those to come. A read that timed out returns an error whose
// Timeout method says so and for which errors.Is(err, [os.ErrDeadlineExceeded]) holds; nothing is lost by it, a later read
// goes on where it stopped (unless [Dialer.PermanentTimeouts] asks for the model's way). The zero time is no limit.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readDeadline = t
	if c.readsBroken {
		return nil // it is set behind the read that was broken off
	}
	return c.netConn.SetReadDeadline(t)
}

// SetWriteDeadline limits the writes to come. A write that timed out returns an error whose Timeout method says so: the
// message was not taken, unless the error is a *[PendingError]. The zero time is no limit.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	c.writeLimited.Store(!t.IsZero())
	return nil
}

func (c *Conn) currentWriteDeadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeDeadline
}

// SetReadLimit limits messages to that many bytes, from the next frame on; zero and less is no limit. A longer message
// ends the connection with close code 1009, and the read with [ErrReadLimit].
func (c *Conn) SetReadLimit(limit int64) {
	if c.h.enter() {
		defer c.h.leave()
		C.ws_set_max_message(c.h.conn, C.size_t(max(limit, 0)), nil)
		runtime.KeepAlive(c)
	}
}

// Close ends the connection at once, without a close frame, and wakes whoever is reading or writing: they get an error
// for which errors.Is(err, [net.ErrClosed]) holds. A program that wants the close handshake writes a CloseMessage and reads
// until the error comes. Close twice is harmless.
func (c *Conn) Close() error {
	if !c.markClosed() {
		return nil
	}
	if c.keepalive != nil {
		c.keepalive.stop()
	}
	err := c.netConn.Close()
	c.h.retire()
	runtime.KeepAlive(c) // its cleanup frees what is retired here
	return err
}

// markClosed is true once. Under the lock, as whenClosed looks there whether done is closed already.
func (c *Conn) markClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed.CompareAndSwap(false, true) {
		return false
	}
	if c.done != nil {
		close(c.done)
	}
	return true
}

// whenClosed is closed by Close.
func (c *Conn) whenClosed() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.closed.Load() {
			close(c.done)
		}
	}
	return c.done
}

// closedError is what calls behind Close return.
func (c *Conn) closedError(op string) error { return c.opError(op, net.ErrClosed) }

// opError is an error as the net package has them. A connection that is no socket need not have addresses.
func (c *Conn) opError(op string, err error) error {
	local, remote := c.LocalAddr(), c.RemoteAddr()
	network := "memory"
	if remote != nil {
		network = remote.Network()
	}
	return &net.OpError{Op: op, Net: network, Source: local, Addr: remote, Err: err}
}
