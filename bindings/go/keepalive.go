//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"sync"
	"time"
)

// keepalive calls C when it is time for a ping, or for its pong to be late. It is a timer, not a goroutine.
type keepalive struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func (c *Conn) startKeepalive(d *Dialer) {
	if d.PingInterval <= 0 {
		return
	}
	k := &keepalive{}
	c.keepalive = k
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(d.PingInterval, c.keepAlive)
}

func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
}

func (c *Conn) keepAlive() {
	if !c.h.enter() {
		return
	}
	defer c.h.leave()
	result := C.ws_process(c.h.conn, nil)
	if C.ws_wants(c.h.conn)&C.WS_WANT_WRITE != 0 {
		c.kick()
	}
	if result < 0 || result == C.WS_CLOSED {
		// Who waits for bytes is told what it is: C has the failure.
		c.mu.Lock()
		c.readsBroken, c.over = true, true
		c.netConn.SetReadDeadline(longAgo)
		c.mu.Unlock()
		return
	}
	wait := C.ws_timeout(c.h.conn)
	if wait < 0 {
		return
	}
	k := c.keepalive
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.timer.Reset(max(time.Duration(wait)*time.Millisecond, time.Millisecond))
	}
}
