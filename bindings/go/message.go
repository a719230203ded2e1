//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

var jsonBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// WriteJSON sends v as a text message of JSON, as encoding/json writes it. Nothing is sent of what cannot be encoded.
func (c *Conn) WriteJSON(v any) error {
	buffer := jsonBuffers.Get().(*bytes.Buffer)
	defer jsonBuffers.Put(buffer)
	buffer.Reset()
	if err := json.NewEncoder(buffer).Encode(v); err != nil {
		return err
	}
	return c.WriteMessage(TextMessage, buffer.Bytes())
}

// ReadJSON reads the next message, of either kind, and stores the JSON value in it in what v points to. An empty message is
// io.ErrUnexpectedEOF.
func (c *Conn) ReadJSON(v any) error {
	if err := c.beginRead(); err != nil {
		return err
	}
	defer c.endRead()
	_, data, err := c.nextMessage(context.Background(), nil)
	if err != nil {
		return err
	}
	defer c.received() // also of a message that makes an UnmarshalJSON panic, so that it is not met again
	err = json.NewDecoder(bytes.NewReader(data)).Decode(v)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// WriteJSON sends v as JSON.
//
// Deprecated: Use c.WriteJSON.
func WriteJSON(c *Conn, v any) error { return c.WriteJSON(v) }

// ReadJSON reads a message of JSON.
//
// Deprecated: Use c.ReadJSON.
func ReadJSON(c *Conn, v any) error { return c.ReadJSON(v) }

// PreparedMessage is a message to be sent on many connections.
type PreparedMessage struct {
	messageType int
	data        []byte
}

// NewPreparedMessage makes one of any kind that WriteMessage takes. The data is copied.
func NewPreparedMessage(messageType int, data []byte) (*PreparedMessage, error) {
	if !isKind(messageType) {
		return nil, errKind(messageType)
	}
	if messageType >= CloseMessage && len(data) > 125 {
		return nil, &Error{Code: codeUsageControlSize, Message: "a control message carries at most 125 bytes"}
	}
	return &PreparedMessage{messageType: messageType, data: bytes.Clone(data)}, nil
}

// WritePreparedMessage sends it. Each frame of a client has a mask of its own (RFC 6455 section 5.3) and, if that was agreed, is
// compressed when it is sent: what is prepared is the copy of the data.
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	return c.WriteMessage(pm.messageType, pm.data)
}

// EnableWriteCompression switches the compression of the messages to come on or off. It does nothing where none was agreed
// with the server.
func (c *Conn) EnableWriteCompression(enable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compressionOff = !enable
	c.applyCompression()
}

// SetCompressionLevel sets how hard messages are compressed, by the numbers of compress/flate: -2 to 9. It does nothing
// where no compression was agreed with the server.
func (c *Conn) SetCompressionLevel(level int) error {
	if level < -2 || level > 9 {
		return errors.New("websocket: invalid compression level")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.level = int8(level)
	c.applyCompression()
	return nil
}

// applyCompression tells C. The level 0 of compress/flate is no compression; -1 is its default, -2 its fastest.
func (c *Conn) applyCompression() {
	if !c.h.enter() {
		return
	}
	defer c.h.leave()
	level := c.level
	on := !c.compressionOff && level != 0
	switch level {
	case -1:
		level = 6
	case -2:
		level = 1
	}
	C.ws_set_compression(c.h.conn, flag(on), C.int(level), nil)
}

// Message is what Messages brings.
type Message struct {
	Type int // TextMessage or BinaryMessage
	Data []byte
}

// Messages are the messages to come, for a range loop:
//
//	for message, err := range c.Messages(ctx) {
//
// The loop ends without an error when the server closes with code 1000 or 1001; any other end, a context that is done and a
// read deadline among them, comes as the last turn's error. Leaving the loop loses nothing: reading may go on.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			kind, data, err := c.ReadContext(ctx)
			if IsCloseError(err, CloseNormalClosure, CloseGoingAway) {
				return
			}
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(Message{Type: kind, Data: data}, nil) {
				return
			}
		}
	}
}

// The waits between dials of Redial: they double from the first to the last, each a random part more or less.
const (
	redialFirst = 250 * time.Millisecond
	redialMost  = 30 * time.Second
	redialFresh = 10 * time.Second // a connection that lasted that long begins anew with the first
)

// Redial dials again and again, for a range loop whose body uses a connection until it ends:
//
//	for c, err := range dialer.Redial(ctx, url, nil) {
//		if err != nil {
//			log.Print(err) // not reached; the next turn tries again, unless the loop is left
//			continue
//		}
//		for message, err := range c.Messages(ctx) {
//
// Between turns it waits, longer each time while connections do not last, by random amounts so that many clients of one server
// do not come at once. The connection is closed when its turn ends. The loop ends when the context is done.
func (d *Dialer) Redial(ctx context.Context, urlStr string, requestHeader http.Header) iter.Seq2[*Conn, error] {
	return func(yield func(*Conn, error) bool) {
		wait := redialFirst
		for ctx.Err() == nil {
			begun := time.Now()
			c, _, err := d.DialContext(ctx, urlStr, requestHeader)
			if ctx.Err() != nil && err != nil {
				return
			}
			goesOn := yield(c, err)
			if c != nil {
				c.Close()
			}
			if !goesOn {
				return
			}
			if time.Since(begun) >= redialFresh {
				wait = redialFirst
			}
			timer := time.NewTimer(wait/2 + rand.N(wait))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			wait = min(2*wait, redialMost)
		}
	}
}
