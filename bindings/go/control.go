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
	"sync"
	"time"
)

// writeWait is what the model's own handlers give their answer.
const writeWait = time.Second

// handlers are what the user wants called for control frames; nil where libwsdial does what the model's does.
type handlers struct {
	mu    sync.Mutex
	ping  func(appData string) error
	pong  func(appData string) error
	close func(code int, text string) error
}

// SetPingHandler sets what is called for pings, by the goroutine that reads. Its error ends the connection's reading side and
// is what the reading call returns. Pings are not answered but by the handler then. Nil is the default, which answers with a
// pong.
func (c *Conn) SetPingHandler(h func(appData string) error) {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	c.handlers.ping = h
	c.applyHandlers()
}

// PingHandler is what is called for pings; the default answers with a pong.
func (c *Conn) PingHandler() func(appData string) error {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	if h := c.handlers.ping; h != nil {
		return h
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
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	c.handlers.pong = h
	c.applyHandlers()
}

// PongHandler is what is called for pongs; the default does nothing.
func (c *Conn) PongHandler() func(appData string) error {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	if h := c.handlers.pong; h != nil {
		return h
	}
	return func(string) error { return nil }
}

// SetCloseHandler sets what is called when the server closes, with the close code ([CloseNoStatusReceived] when it sent
// none) and the reason, by the goroutine that reads. The server's close is not answered but by the handler then. The reading
// call returns the handler's error or, if it has none, a *[CloseError]. Nil is the default, which answers with the same code.
func (c *Conn) SetCloseHandler(h func(code int, text string) error) {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	c.handlers.close = h
	c.applyHandlers()
}

// CloseHandler is what is called when the server closes; the default answers with the same code.
func (c *Conn) CloseHandler() func(code int, text string) error {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	if h := c.handlers.close; h != nil {
		return h
	}
	return func(code int, text string) error {
		c.WriteControl(CloseMessage, FormatCloseMessage(code, ""), time.Now().Add(writeWait))
		return nil
	}
}

// applyHandlers tells C which control frames are to be shown, and which it answers itself.
func (c *Conn) applyHandlers() {
	if !c.h.enter() {
		return
	}
	defer c.h.leave()
	h := &c.handlers
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
	c.handlers.mu.Lock()
	ping, pong, onClose := c.handlers.ping, c.handlers.pong, c.handlers.close
	c.handlers.mu.Unlock()
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
