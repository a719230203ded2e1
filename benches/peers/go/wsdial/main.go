package main

import (
	"context"
	"flag"
	"time"
	. "wsbench/common"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

type client struct {
	a *Args
	d websocket.Dialer

	reuse bool // ReadAppend, not ReadMessage
}

func (c *client) dial(count int) *websocket.Conn {
	ws, _, err := c.d.Dial(c.a.Full(count), nil)
	Must(err)
	return ws
}

func (c *client) bye(ws *websocket.Conn) {
	ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			break
		}
	}
	ws.Close()
}

func (c *client) Recv(count int) (n, bytes int) {
	ws := c.dial(count)
	defer ws.Close()
	var buf []byte
	for {
		var p []byte
		var err error
		if c.reuse {
			// As gws does, whose messages are in buffers of a pool: the memory is used again.
			_, p, err = ws.ReadAppend(context.Background(), buf[:0])
			buf = p
		} else {
			_, p, err = ws.ReadMessage()
		}
		if websocket.IsCloseError(err, 1000) {
			return
		}
		Must(err)
		n++
		bytes += len(p)
	}
}

func (c *client) Send(count int, data []byte) []byte {
	ws := c.dial(count)
	for i := 0; i < count; i++ {
		Must(ws.WriteMessage(websocket.BinaryMessage, data))
	}
	_, p, err := ws.ReadMessage()
	Must(err)
	c.bye(ws)
	return p
}

func (c *client) RTT(count int, data []byte, m *Meter) {
	ws := c.dial(count)
	m.Start(count)
	for i := 0; i < count; i++ {
		t := time.Now()
		Must(ws.WriteMessage(websocket.BinaryMessage, data))
		_, p, err := ws.ReadMessage()
		Must(err)
		if len(p) != len(data) {
			panic("echo")
		}
		m.Add(t)
	}
	c.bye(ws)
}

func (c *client) Dial() { c.bye(c.dial(1)) }
func (c *client) Hold() {
	ws := c.dial(1)
	go func() { ws.ReadMessage() }()
}

func main() {
	reuse := flag.Bool("reuse", false, "receive into memory that is used again")
	a := Parse()
	Run("wsdial-go", a, &client{a: a, reuse: *reuse, d: websocket.Dialer{TLSClientConfig: a.TLS, EnableCompression: a.Deflate}})
}
