//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"net"
	"time"
)

// writeWait is what the model's own handlers give their answer.
const writeWait = time.Second

// handlers are what the user wants called for control frames; nil where libwsdial does what the model's does. They are
// replaced, never changed.
type handlers struct {
	ping  func(appData string) error
	pong  func(appData string) error
	close func(code int, text string) error
}

// SetPingHandler sets what is called for pings, by the goroutine that reads. Its error ends the connection's reading side and
// is what the reading call returns. Pings are not answered but by the handler then. Nil is the default, which answers with a
// pong.
func (c *Conn) SetPingHandler(h func(appData string) error) {
	c.setHandlers(func(now *handlers) { now.ping = h })
}

// PingHandler is what is called for pings; the default answers with a pong.
func (c *Conn) PingHandler() func(appData string) error {
	if now := c.handlers.Load(); now != nil && now.ping != nil {
		return now.ping
	}
	return func(appData string) error {
		err := c.WriteControl(PongMessage, []byte(appData), time.Now().Add(writeWait))
		var timeout net.Error
		if err == ErrCloseSent || (errors.As(err, &timeout) && timeout.Timeout()) {
			return nil
		}
		return err
	}
}

// SetPongHandler sets what is called for pongs, as SetPingHandler does for pings. Nil is the default, which does nothing.
func (c *Conn) SetPongHandler(h func(appData string) error) {
	c.setHandlers(func(now *handlers) { now.pong = h })
}

// PongHandler is what is called for pongs; the default does nothing.
func (c *Conn) PongHandler() func(appData string) error {
	if now := c.handlers.Load(); now != nil && now.pong != nil {
		return now.pong
	}
	return func(string) error { return nil }
}

// SetCloseHandler sets what is called when the server closes, with the close code ([CloseNoStatusReceived] when it sent
// none) and the reason, by the goroutine that reads. The server's close is not answered but by the handler then. The reading
// call returns the handler's error or, if it has none, a *[CloseError]. Nil is the default, which answers with the same code.
func (c *Conn) SetCloseHandler(h func(code int, text string) error) {
	c.setHandlers(func(now *handlers) { now.close = h })
}

// CloseHandler is what is called when the server closes; the default answers with the same code.
func (c *Conn) CloseHandler() func(code int, text string) error {
	if now := c.handlers.Load(); now != nil && now.close != nil {
		return now.close
	}
	return func(code int, text string) error {
		c.WriteControl(CloseMessage, FormatCloseMessage(code, ""), time.Now().Add(writeWait))
		return nil
	}
}

// setHandlers also tells C which control frames are to be shown, and which it answers itself.
func (c *Conn) setHandlers(change func(*handlers)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &handlers{}
	if before := c.handlers.Load(); before != nil {
		*h = *before
	}
	change(h)
	c.handlers.Store(h)
	if !c.h.enter() {
		return
	}
	defer c.h.leave()
	C.ws_set_control(c.h.conn, flag(h.ping != nil || h.pong != nil || h.close != nil), flag(h.ping == nil),
		flag(h.close == nil), nil)
}

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

// handleControl calls the user's handler for a control frame, if there is one.
func (c *Conn) handleControl(kind int, data []byte) error {
	now := c.handlers.Load()
	if now == nil {
		return nil
	}
	ping, pong, onClose := now.ping, now.pong, now.close
	payload := string(data)
	var err error
	switch {
	case kind == PingMessage && ping != nil:
		err = ping(payload)
	case kind == PongMessage && pong != nil:
		err = pong(payload)
	case kind == CloseMessage && onClose != nil:
		code := CloseNoStatusReceived
		if len(data) >= 2 {
			code, payload = int(binary.BigEndian.Uint16(data)), payload[2:]
		}
		if err = onClose(code, payload); err == nil {
			err = &CloseError{Code: code, Text: payload}
		}
	}
	if err != nil {
		c.readErr = err
	}
	return err
}
