//go:build cgo

package websocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// serverFrame is a frame as a server sends it.
func serverFrame(first byte, payload []byte) []byte {
	frame := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		frame[1] = byte(n)
	case n <= 0xffff:
		frame[1] = 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(n))
	default:
		frame[1] = 127
		frame = binary.BigEndian.AppendUint64(frame, uint64(n))
	}
	return append(frame, payload...)
}

// aMessage is one of random length and content, and its frames: any number of them, with pings between.
func aMessage(random *rand.Rand, ascii bool) (kind int, data, wire []byte) {
	lengths := []int{0, 5, 300, 16<<10 + 7, 40_000, 65_535, 65_536, 65_536, 65_536, 100_000, 300_000, 1<<20 + 12_345}
	data = make([]byte, lengths[random.IntN(len(lengths))])
	for i := range data {
		data[i] = byte(random.Uint32())
		if ascii {
			data[i] &= 0x7f
		}
	}
	kind = BinaryMessage
	if ascii {
		kind = TextMessage
	}
	first, rest := byte(kind), data
	for random.IntN(3) == 0 {
		n := random.IntN(len(rest) + 1)
		wire = append(wire, serverFrame(first, rest[:n])...)
		first, rest = 0, rest[n:]
		if random.IntN(2) == 0 {
			wire = append(wire, serverFrame(0x80|PingMessage, []byte("a ping in the middle"))...)
		}
	}
	return kind, data, append(wire, serverFrame(0x80|first, rest)...)
}

// Messages of every length, in frames and pieces of every length, by every way of reading, broken off anywhere.
func TestLargeMessagesByEveryWayOfReading(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 2))
		type message struct {
			kind int
			data []byte
		}
		var messages []message
		var wire []byte
		for range 60 {
			kind, data, frames := aMessage(random, random.IntN(2) == 0)
			messages = append(messages, message{kind, data})
			wire = append(wire, frames...)
		}
		cuts := rand.New(rand.NewPCG(seed, 3))
		most := []int{3000, 70_000, 1 << 20}[seed%3]
		url := script(t, "", func(server net.Conn, _ *bufio.Reader) {
			for len(wire) > 0 {
				n := min(1+cuts.IntN(most), len(wire))
				server.Write(wire[:n])
				wire = wire[n:]
			}
			io.Copy(io.Discard, server)
		})
		c := dialTest(t, Dialer{}, url)
		if seed%2 == 0 {
			c.SetPingHandler(func(text string) error {
				if text != "a ping in the middle" {
					t.Errorf("a ping of %q", text)
				}
				return nil
			})
		}
		var reused []byte
		for i, want := range messages {
			var kind int
			var data []byte
			var err error
			for err = os.ErrDeadlineExceeded; errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded); {
				ctx, cancel := context.Background(), func() {}
				c.SetReadDeadline(time.Time{})
				switch random.IntN(4) {
				case 0:
					c.SetReadDeadline(time.Now().Add(time.Duration(random.IntN(300)) * time.Microsecond))
				case 1:
					ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(300))*time.Microsecond)
				}
				switch random.IntN(4) {
				case 0:
					kind, data, err = c.ReadContext(ctx)
				case 1:
					kind, data, err = c.ReadAppend(ctx, reused[:0])
					reused = data
				case 2:
					kind, data, err = c.ReadAppend(ctx, make([]byte, 3, 3+random.IntN(200_000)))
					if err == nil {
						data = data[3:]
					}
				case 3:
					var r io.Reader
					c.SetReadDeadline(time.Time{})
					if kind, r, err = c.NextReader(); err == nil && random.IntN(3) > 0 {
						data, err = io.ReadAll(r)
					} else if err == nil {
						data = want.data // and the rest of it is passed over
					}
				}
				cancel()
			}
			if err != nil || kind != want.kind || !bytes.Equal(data, want.data) {
				t.Fatalf("seed %d: message %d of %d bytes came as %d of kind %d: %v", seed, i, len(want.data), len(data), kind, err)
			}
		}
		c.Close()
	}
}

// What ReadMessage returns has no room to spare, and is nobody else's.
func TestALargeMessageIsItsReaders(t *testing.T) {
	const size = 200_000
	url := script(t, "", func(server net.Conn, _ *bufio.Reader) {
		for i := range 5 {
			server.Write(serverFrame(0x80|BinaryMessage, bytes.Repeat([]byte{byte(i)}, size)))
		}
		io.Copy(io.Discard, server)
	})
	c := dialTest(t, Dialer{}, url)
	var all [][]byte
	for range 5 {
		_, data, err := c.ReadMessage()
		if err != nil || cap(data) > size+8<<10 {
			t.Fatalf("%v, %d bytes of room", err, cap(data))
		}
		all = append(all, data)
	}
	for i, data := range all {
		if !bytes.Equal(data, bytes.Repeat([]byte{byte(i)}, size)) {
			t.Errorf("message %d was written over", i)
		}
	}
}

// What is wrong with a large message is found while it lands.
func TestALargeMessageThatIsWrong(t *testing.T) {
	text := append(bytes.Repeat([]byte("ä"), 50_000), 0xff)
	text = append(text, bytes.Repeat([]byte("b"), 50_000)...)
	if utf8.Valid(text) {
		t.Fatal("it is right")
	}
	whole := bytes.Repeat([]byte("c"), 100_000)
	for what, it := range map[string]struct {
		wire   []byte
		cut    bool
		is     func(error) bool
		closes int
	}{
		"text that is not UTF-8": {serverFrame(0x81, text), false, func(err error) bool {
			var wrong *Error
			return errors.As(err, &wrong) && wrong.CloseCode == CloseInvalidFramePayloadData
		}, CloseInvalidFramePayloadData},
		"one over the limit": {serverFrame(0x82, make([]byte, 300_000)), false, func(err error) bool { return err == ErrReadLimit },
			CloseMessageTooBig},
		"one that ends in the middle": {serverFrame(0x82, whole)[:60_000], true, func(err error) bool {
			return IsCloseError(err, CloseAbnormalClosure)
		}, 0},
		"a frame that may not follow": {append(serverFrame(0x02, whole), serverFrame(0x82, whole)...), false, func(err error) bool {
			var wrong *Error
			return errors.As(err, &wrong) && wrong.CloseCode == CloseProtocolError
		}, CloseProtocolError},
	} {
		for _, first := range []bool{true, false} {
			closed := make(chan int, 1)
			url := script(t, "", func(server net.Conn, reader *bufio.Reader) {
				if !first {
					server.Write(serverFrame(0x82, whole))
				}
				server.Write(it.wire)
				if it.cut {
					return
				}
				head := make([]byte, 8)
				if _, err := io.ReadFull(reader, head); err != nil || head[0] != 0x88 {
					closed <- -1
					return
				}
				closed <- int(binary.BigEndian.Uint16([]byte{head[6] ^ head[2], head[7] ^ head[3]}))
			})
			c := dialTest(t, Dialer{MaxMessageSize: 250_000}, url)
			var err error
			within(t, what, func() {
				if !first {
					if _, data, err := c.ReadMessage(); err != nil || !bytes.Equal(data, whole) {
						t.Errorf("the first one: %v", err)
					}
				}
				_, _, err = c.ReadMessage()
			})
			if !it.is(err) {
				t.Errorf("%s: %v", what, err)
			}
			if _, _, again := c.ReadMessage(); again == nil || again.Error() != err.Error() {
				t.Errorf("%s, read again: %v", what, again)
			}
			if it.closes != 0 {
				within(t, what, func() {
					if code := <-closed; code != it.closes {
						t.Errorf("%s: close code %d on the wire", what, code)
					}
				})
			}
		}
	}
}

// A header's word makes no memory.
func TestAPromiseOfMuchMakesLittleMemory(t *testing.T) {
	url := script(t, "", func(server net.Conn, _ *bufio.Reader) {
		server.Write(append([]byte{0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0}, make([]byte, 50_000)...))
		io.Copy(io.Discard, server)
	})
	c := dialTest(t, Dialer{}, url)
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if room := cap(c.landing.data); room > 2*landAtOnce || len(c.landing.data) != 50_000 {
		t.Errorf("%d bytes came and %d were made room for", len(c.landing.data), room)
	}
	if _, r, err := c.NextReader(); err != nil {
		t.Error(err)
	} else if data := make([]byte, 50_000); true {
		if n, err := io.ReadFull(r, data); err != nil || strings.Trim(string(data), "\x00") != "" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// A handler may panic in the middle of a large message; the program's memory is not the connection's after that.
func TestAHandlerThatPanicsInALargeMessage(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789"), 20_000)
	url := script(t, "", func(server net.Conn, _ *bufio.Reader) {
		server.Write(serverFrame(0x02, whole[:90_000]))
		server.Write(serverFrame(0x89, nil))
		server.Write(serverFrame(0x80, whole[90_000:]))
		io.Copy(io.Discard, server)
	})
	c := dialTest(t, Dialer{}, url)
	c.SetPingHandler(func(string) error { panic("the program's") })
	buf := make([]byte, 0, 300_000)
	func() {
		defer func() { recover() }()
		c.ReadAppend(context.Background(), buf)
		t.Error("no panic")
	}()
	clear(buf[:cap(buf)])
	c.SetPingHandler(nil)
	if _, data, err := c.ReadMessage(); err != nil || !bytes.Equal(data, whole) {
		t.Errorf("%d bytes: %v", len(data), err)
	}
}
