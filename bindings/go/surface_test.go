//go:build cgo

package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNextReaderAndNextWriter(t *testing.T) {
	for _, size := range []int{0, 1, 100, 5000, 16 << 10, 16<<10 + 1, 300000, 3 << 20} {
		for _, d := range []Dialer{{}, {WriteBufferSize: 1000, ReadBufferSize: 500}, {EnableCompression: true}} {
			c := dialTest(t, d, agrees.ws)
			sent := strings.Repeat("0123456789", size/10+1)[:size]
			w, err := c.NextWriter(TextMessage)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				if _, err := io.Copy(w, strings.NewReader(sent)); err != nil {
					done <- err
					return
				}
				done <- w.Close()
			}()
			kind, r, err := c.NextReader()
			if err != nil || kind != TextMessage {
				t.Fatal(kind, err)
			}
			got, err := io.ReadAll(r)
			if string(got) != sent || err != nil {
				t.Fatalf("%d bytes became %d, %v", len(sent), len(got), err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d %v", n, err)
			}
			if _, err := w.Write([]byte("x")); err == nil || w.Close() == nil {
				t.Error("a closed writer writes on")
			}
			echoOnce(t, c, "a message behind it")
			c.Close()
		}
	}
}

func TestAReaderThatIsLeftIsPassedOver(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	for _, size := range []int{10, 500000} {
		for range 3 {
			if err := c.WriteMessage(BinaryMessage, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
		_, first, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(first, make([]byte, 5))
		_, second, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := first.Read(make([]byte, 5)); n != 0 || err != io.EOF {
			t.Errorf("the first reads on: %d %v", n, err)
		}
		io.ReadFull(second, make([]byte, 5))
		if _, data, err := c.ReadMessage(); len(data) != size || err != nil {
			t.Errorf("%d %v", len(data), err)
		}
	}
}

func TestWritersWaitForAMessageInFragments(t *testing.T) {
	c := dialTest(t, Dialer{WriteBufferSize: 1000}, agrees.ws)
	w, err := c.NextWriter(TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat("a", 3000))); err != nil {
		t.Fatal(err)
	}
	// A control message goes between, another message does not.
	if err := c.WriteControl(PingMessage, []byte("p"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if err := c.WriteMessage(TextMessage, nil); !isTimeout(err) {
		t.Fatalf("%v", err)
	}
	c.SetWriteDeadline(time.Time{})
	written := make(chan error, 1)
	go func() { written <- c.WriteMessage(TextMessage, []byte("b")) }()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{3000, 1} {
		if _, data, err := c.ReadMessage(); len(data) != want || err != nil {
			t.Errorf("%d %v", len(data), err)
		}
	}
	// One that was forgotten is closed by the next.
	w, _ = c.NextWriter(TextMessage)
	w.(io.StringWriter).WriteString("forgotten")
	w, _ = c.NextWriter(TextMessage)
	w.(io.StringWriter).WriteString("next")
	w.Close()
	for _, want := range []string{"forgotten", "next"} {
		if _, data, err := c.ReadMessage(); string(data) != want || err != nil {
			t.Errorf("%q %v", data, err)
		}
	}
}

// countingPool counts, and is a BufferPool.
type countingPool struct {
	sync.Pool
	got, put int
}

func (p *countingPool) Get() any  { p.got++; return p.Pool.Get() }
func (p *countingPool) Put(v any) { p.put++; p.Pool.Put(v) }

func TestWriteBufferPool(t *testing.T) {
	var pool BufferPool = &countingPool{}
	c := dialTest(t, Dialer{WriteBufferPool: pool}, agrees.ws)
	pool.Put(pool.Get()) // as anybody's
	for i := range 3 {
		w, _ := c.NextWriter(TextMessage)
		fmt.Fprintf(w, "%d", i)
		w.Close()
		if _, data, err := c.ReadMessage(); string(data) != fmt.Sprint(i) || err != nil {
			t.Errorf("%q %v", data, err)
		}
	}
	if p := pool.(*countingPool); p.got != 4 || p.put != 4 {
		t.Errorf("%d taken, %d given back", p.got, p.put)
	}
}

func TestHandlersAreCalledInOrder(t *testing.T) {
	frames := make(chan string, 3)
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		io.WriteString(stream, "\x89\x02p1\x8a\x02o1\x81\x01a\x01\x01b\x89\x02p2\x80\x01c\x88\x05\x0f\xa0bye")
		for range 2 {
			head := make([]byte, 6)
			io.ReadFull(reader, head)
			body := make([]byte, head[1]&127)
			io.ReadFull(reader, body)
			for i := range body {
				body[i] ^= head[2+i%4]
			}
			frames <- fmt.Sprintf("%x %s", head[0], body)
		}
		close(frames)
		io.Copy(io.Discard, reader)
	})
	var got []string
	c := dialTest(t, Dialer{}, url)
	c.SetPingHandler(func(s string) error { got = append(got, "ping "+s); return nil })
	c.SetPongHandler(func(s string) error { got = append(got, "pong "+s); return nil })
	c.SetCloseHandler(func(code int, s string) error {
		got = append(got, fmt.Sprint("close ", code, s))
		return c.WriteControl(CloseMessage, FormatCloseMessage(4001, "mine"), time.Now().Add(time.Second))
	})
	var err error
	for err == nil {
		var data []byte
		if _, data, err = c.ReadMessage(); err == nil {
			got = append(got, "message "+string(data))
			if string(data) == "a" {
				// From here on it does itself what the default would.
				c.SetPingHandler(nil)
				ours := c.PingHandler()
				c.SetPingHandler(func(s string) error { got = append(got, "ping "+s); return ours(s) })
			}
		}
	}
	want := "ping p1, pong o1, message a, ping p2, message bc, close 4000bye"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("%s", text)
	}
	if e, ok := err.(*CloseError); !ok || e.Code != 4000 || e.Text != "bye" {
		t.Errorf("%#v", err)
	}
	if first, second := <-frames, <-frames; first != "8a p2" || second != "88 \x0f\xa1mine" {
		t.Errorf("the server got %q and %q", first, second)
	}
	for name, handler := range map[string]func(string) error{"ping": c.PingHandler(), "pong": c.PongHandler()} {
		if handler == nil {
			t.Error(name)
		}
	}
	c.SetPongHandler(nil)
	c.SetCloseHandler(nil)
	if c.PongHandler()("x") != nil || c.CloseHandler()(1000, "") != nil {
		t.Error("a default handler fails")
	}
}

func TestAHandlersErrorIsTheReads(t *testing.T) {
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		io.WriteString(stream, "\x81\x01a\x89\x00\x81\x01b")
		io.Copy(io.Discard, reader)
	})
	c := dialTest(t, Dialer{}, url)
	mine := errors.New("mine")
	c.SetPingHandler(func(string) error { return mine })
	if _, data, err := c.ReadMessage(); string(data) != "a" || err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := c.ReadMessage(); err != mine {
			t.Errorf("%v", err)
		}
	}
}

func TestJSON(t *testing.T) {
	type value struct {
		A int
		B []string
	}
	c := dialTest(t, Dialer{}, agrees.ws)
	sent := value{7, []string{"x", "é"}}
	for _, pair := range []struct {
		write func(*Conn, any) error
		read  func(*Conn, any) error
	}{{(*Conn).WriteJSON, (*Conn).ReadJSON}, {WriteJSON, ReadJSON}} {
		if err := pair.write(c, sent); err != nil {
			t.Fatal(err)
		}
		var got value
		if err := pair.read(c, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(sent) {
			t.Errorf("%v %v", got, err)
		}
	}
	if err := c.WriteJSON(func() {}); err == nil {
		t.Error("a function was sent")
	}
	c.WriteMessage(TextMessage, nil)
	if err := c.ReadJSON(new(int)); err != io.ErrUnexpectedEOF {
		t.Errorf("%v", err)
	}
	c.WriteMessage(TextMessage, []byte("{"))
	if err := c.ReadJSON(new(int)); err == nil {
		t.Error("half a value was read")
	}
	echoOnce(t, c, "and on")
}

type panicking struct{}

func (*panicking) UnmarshalJSON([]byte) error { panic("the program's") }

// A message that makes the program's own code panic is not met again.
func TestJSONThatPanics(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	c.WriteMessage(TextMessage, []byte(`1`))
	c.WriteMessage(TextMessage, []byte(`2`))
	func() {
		defer func() { recover() }()
		c.ReadJSON(&panicking{})
		t.Error("it did not panic")
	}()
	var got int
	if err := c.ReadJSON(&got); got != 2 || err != nil {
		t.Errorf("%d %v", got, err)
	}
}

func TestPreparedMessage(t *testing.T) {
	data := []byte("hello")
	var pm *PreparedMessage
	pm, err := NewPreparedMessage(TextMessage, data)
	if err != nil {
		t.Fatal(err)
	}
	data[0] = 'j'
	for range 2 {
		c := dialTest(t, Dialer{}, agrees.ws)
		if err := c.WritePreparedMessage(pm); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.ReadMessage(); string(got) != "hello" || err != nil {
			t.Errorf("%q %v", got, err)
		}
	}
	if _, err := NewPreparedMessage(3, nil); err == nil {
		t.Error("kind 3")
	}
	if _, err := NewPreparedMessage(PingMessage, make([]byte, 126)); err == nil {
		t.Error("a long ping")
	}
}

func TestJoinMessages(t *testing.T) {
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		io.WriteString(stream, "\x81\x01a\x82\x00\x01\x01b\x80\x01c\x88\x02\x03\xe8")
		io.Copy(io.Discard, reader)
	})
	c := dialTest(t, Dialer{}, url)
	got, err := io.ReadAll(JoinMessages(c, "\r\n"))
	if string(got) != "a\r\n\r\nbc\r\n" || !IsCloseError(err, 1000) {
		t.Errorf("%q %v", got, err)
	}
}

func TestMessagesIterate(t *testing.T) {
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		io.WriteString(stream, "\x81\x01a\x82\x01b\x81\x01c\x88\x02\x03\xe8")
		io.Copy(io.Discard, reader)
	})
	c := dialTest(t, Dialer{}, url)
	var got []string
	for message, err := range c.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(message.Type, string(message.Data)))
		if len(got) == 1 {
			break
		}
	}
	for message, err := range c.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(message.Type, string(message.Data)))
	}
	if text := strings.Join(got, " "); text != "1a 2b 1c" {
		t.Error(text)
	}
	c = dialTest(t, Dialer{}, agrees.ws)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	turns := 0
	for _, err := range c.Messages(ctx) {
		turns++
		if err != context.DeadlineExceeded {
			t.Error(err)
		}
	}
	if turns != 1 {
		t.Errorf("%d turns", turns)
	}
}

func TestRedial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	address := nobody
	d := Dialer{NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	var past *Conn
	outcomes := ""
	for c, err := range d.Redial(ctx, "ws://x.example", nil) {
		switch {
		case err != nil:
			outcomes += "no "
			address = strings.TrimPrefix(agrees.ws, "ws://")
			continue
		case past == nil:
			outcomes += "yes "
			echoOnce(t, c, "first")
			past = c
			continue
		}
		outcomes += "again"
		if err := past.WriteMessage(TextMessage, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the past connection is open: %v", err)
		}
		echoOnce(t, c, "second")
		break
	}
	if outcomes != "no yes again" {
		t.Error(outcomes)
	}
	cancel()
	for range d.Redial(ctx, "ws://x.example", nil) {
		t.Error("it dials though the context is done")
	}
}

func TestKeepaliveFindsAPeerThatIsGone(t *testing.T) {
	quit := make(chan struct{})
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) { <-quit })
	defer close(quit)
	c := dialTest(t, Dialer{PingInterval: 20 * time.Millisecond, PongTimeout: 20 * time.Millisecond}, url)
	within(t, "a read from a peer that is gone", func() {
		_, _, err := c.ReadMessage()
		var e *Error
		if !errors.As(err, &e) || e.Code != codeAbnormalPing || !e.Timeout() {
			t.Errorf("%#v", err)
		}
	})
}

func TestKeepalivePingsAndLivesOn(t *testing.T) {
	pings := make(chan string, 100)
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		for {
			head := make([]byte, 6)
			if _, err := io.ReadFull(reader, head); err != nil || head[0] != 0x89 {
				return
			}
			body := make([]byte, head[1]&127)
			io.ReadFull(reader, body)
			for i := range body {
				body[i] ^= head[2+i%4]
			}
			stream.Write(append([]byte{0x8a, byte(len(body))}, body...))
			if pings <- string(body); len(pings) == 5 {
				io.WriteString(stream, "\x81\x04done")
			}
		}
	})
	c := dialTest(t, Dialer{PingInterval: 10 * time.Millisecond, PongTimeout: 2 * time.Second}, url)
	within(t, "five pings", func() {
		if _, data, err := c.ReadMessage(); string(data) != "done" || err != nil {
			t.Errorf("%q %v", data, err)
		}
	})
}

func TestSecondReaderIsTold(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	first := make(chan struct{})
	go func() { defer close(first); c.ReadMessage() }()
	for !c.reading.Load() {
		time.Sleep(time.Millisecond)
	}
	var e *Error
	if _, _, err := c.ReadMessage(); !errors.As(err, &e) || e.Code != codeUsageReceiver {
		t.Errorf("%#v", err)
	}
	c.Close()
	<-first
}
