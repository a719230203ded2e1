//go:build cgo

package websocket

import (
	"bytes"
	"net"
	"testing"
)

// What a message costs without a socket: framing, crossing, and what is around them.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{64, 1024, 64 << 10, 1 << 20} {
		b.Run(byteCount(size), func(b *testing.B) {
			c, _, err := played(true, nil, 254).Dial("ws://x.example", nil)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			data := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := c.WriteMessage(BinaryMessage, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// endless is a stream that brings the same message for ever.
type endless struct {
	playedConn
	message []byte
	at      int
}

func (e *endless) Read(b []byte) (int, error) {
	if len(e.bytes) > 0 {
		return e.playedConn.Read(b)
	}
	n := 0
	for n < len(b) {
		copied := copy(b[n:], e.message[e.at:])
		n += copied
		e.at = (e.at + copied) % len(e.message)
	}
	return n, nil
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{64, 1024, 64 << 10, 1 << 20} {
		b.Run(byteCount(size), func(b *testing.B) {
			header := []byte{0x82, 127, 0, 0, 0, 0, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
			if size < 126 {
				header = []byte{0x82, byte(size)}
			} else if size < 65536 {
				header = []byte{0x82, 126, byte(size >> 8), byte(size)}
			}
			stream := &endless{message: append(header, bytes.Repeat([]byte("x"), size)...)}
			stream.agrees, stream.portion = true, 64<<10
			d := Dialer{ReadBufferSize: 64 << 10, NetDial: func(string, string) (net.Conn, error) { return stream, nil }}
			c, _, err := d.Dial("ws://x.example", nil)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, _, err := c.ReadMessage(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func byteCount(n int) string {
	return map[int]string{64: "64B", 1024: "1KiB", 64 << 10: "64KiB", 1 << 20: "1MiB"}[n]
}
