//go:build cgo

package websocket

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// playedConn is a stream whose other end answers a request with agreed (the handshake's answer, if any) and then bytes, in
// portions, and then ends.
type playedConn struct {
	mu      sync.Mutex
	request bytes.Buffer
	agrees  bool
	bytes   []byte
	portion int
	ready   bool
}

func (p *playedConn) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ready {
		p.request.Write(b)
		if bytes.HasSuffix(p.request.Bytes(), []byte("\r\n\r\n")) {
			p.ready = true
			if request, err := http.ReadRequest(bufio.NewReader(&p.request)); err == nil && p.agrees {
				p.bytes = append([]byte(answer(request, "")), p.bytes...)
			}
		}
	}
	return len(b), nil
}

func (p *playedConn) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.portion)], p.bytes)
	p.bytes = p.bytes[n:]
	return n, nil
}

func (*playedConn) Close() error                     { return nil }
func (*playedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*playedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*playedConn) SetDeadline(time.Time) error      { return nil }
func (*playedConn) SetReadDeadline(time.Time) error  { return nil }
func (*playedConn) SetWriteDeadline(time.Time) error { return nil }

func played(agrees bool, data []byte, portion byte) *Dialer {
	return &Dialer{
		MaxMessageSize: 1 << 20, EnableCompression: portion%2 == 1,
		NetDial: func(string, string) (net.Conn, error) {
			return &playedConn{agrees: agrees, bytes: bytes.Clone(data), portion: int(portion) + 1}, nil
		},
	}
}

// FuzzFrames reads whatever a server sends behind the handshake, whole and in pieces: both see the same messages, both end.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		"", "\x81\x02hi", "\x01\x01a\x89\x01p\x80\x01b\x88\x02\x03\xe8", "\x82\x7e\x01\x00" + strings.Repeat("x", 256), "\x83\x00",
		"\x81\x01\xff", "\x88\x01x", "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "\x8a\x00\x89\x00\x82\x00\x88\x00",
	} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(254))
	}
	f.Fuzz(func(t *testing.T, data []byte, portion byte) {
		d := played(true, data, portion)
		var ways [2][]string
		for way, read := range []func(*Conn) (int, []byte, error){
			(*Conn).ReadMessage,
			func(c *Conn) (int, []byte, error) {
				kind, r, err := c.NextReader()
				if err != nil {
					return kind, nil, err
				}
				data, err := io.ReadAll(r)
				return kind, data, err
			},
		} {
			c, _, err := d.Dial("ws://x.example", nil)
			if err != nil {
				t.Fatal(err)
			}
			handled := 0
			c.SetPongHandler(func(string) error { handled++; return nil })
			for {
				kind, data, err := read(c)
				if e, ok := err.(*Error); ok {
					ways[way] = append(ways[way], strconv.Itoa(e.Code)) // where in the message is told differently
					break
				}
				if err != nil {
					ways[way] = append(ways[way], err.Error())
					break
				}
				ways[way] = append(ways[way], string(rune('0'+kind))+string(data))
			}
			if _, _, again := c.ReadMessage(); again == nil {
				t.Error("it reads on behind its end")
			}
			c.Close()
		}
		if whole, pieces := strings.Join(ways[0], "|"), strings.Join(ways[1], "|"); whole != pieces {
			t.Errorf("whole %q, in pieces %q", whole, pieces)
		}
	})
}

// FuzzAnswer dials a server that answers with anything.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"", "HTTP/1.1 403 No\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", "HTTP/1.1 302 x\r\nLocation: /y\r\n\r\n",
	} {
		f.Add([]byte(seed), byte(200))
	}
	f.Fuzz(func(t *testing.T, data []byte, portion byte) {
		d := played(false, data, portion)
		d.MaxRedirects = 2
		c, resp, err := d.Dial("ws://x.example", nil)
		if err == nil {
			c.Close()
			t.Error("a key that nobody saw was answered")
		}
		if err == ErrBadHandshake && (resp == nil || HandshakeReason(resp) == nil) {
			t.Errorf("%v without a reason", resp)
		}
	})
}
