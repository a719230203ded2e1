//go:build cgo

package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// whenClosed is asked by writers who wait, at any moment of Close: the channel is closed once.
func TestCloseMeetsAWriterThatBeginsToWait(t *testing.T) {
	for range 20 {
		ours, theirs := net.Pipe()
		go pipeServer(theirs)
		c := dialTest(t, Dialer{NetDial: func(string, string) (net.Conn, error) { return ours, nil }}, "ws://x.example")
		ended := make(chan struct{}, 2)
		c.mu.Lock()
		go func() { <-c.whenClosed(); ended <- struct{}{} }()
		time.Sleep(time.Millisecond) // the writer is likely to come first, then Close
		go func() { c.Close(); ended <- struct{}{} }()
		time.Sleep(time.Millisecond)
		c.mu.Unlock()
		within(t, "a writer that waits for Close", func() { <-ended; <-ended })
	}
}

type withoutAddresses struct{ net.Conn }

func (withoutAddresses) LocalAddr() net.Addr  { return nil }
func (withoutAddresses) RemoteAddr() net.Addr { return nil }

func TestAConnectionWithoutAddresses(t *testing.T) {
	ours, theirs := net.Pipe()
	go pipeServer(theirs)
	c := dialTest(t, Dialer{NetDial: func(string, string) (net.Conn, error) { return withoutAddresses{ours}, nil }}, "ws://x.example")
	var timeout net.Error
	if err := c.WriteControl(PingMessage, nil, time.Now().Add(-time.Second)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v", err)
	}
	c.Close()
	if _, _, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// wrapping is a net.Conn of a program that adds words to errors.
type wrapping struct{ net.Conn }

func (w wrapping) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("in other words: %w", err)
	}
	return n, err
}

func TestAConnectionThatWrapsItsErrors(t *testing.T) {
	ours, theirs := net.Pipe()
	go pipeServer(theirs)
	c := dialTest(t, Dialer{NetDial: func(string, string) (net.Conn, error) { return wrapping{ours}, nil }}, "ws://x.example")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := c.ReadContext(ctx); err != context.DeadlineExceeded {
		t.Errorf("%#v", err)
	}
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%#v", err)
	} else if _, ok := err.(net.Error); !ok {
		t.Errorf("%#v", err)
	}
	c.SetReadDeadline(time.Time{})
	echoOnce(t, c, "x")
}

// A write that broke off in the middle of what is no socket is the last one, and does not pretend that the rest will leave.
func TestATimeoutThatBreaksTheStreamIsNotPending(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		reader := bufio.NewReader(theirs)
		if request, err := http.ReadRequest(reader); err == nil {
			io.WriteString(theirs, answer(request, ""))
		}
	}()
	c := dialTest(t, Dialer{NetDial: func(string, string) (net.Conn, error) { return ours, nil }}, "ws://x.example")
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	first := c.WriteMessage(TextMessage, []byte("x"))
	c.SetWriteDeadline(time.Time{})
	var later *PendingError
	if !isTimeout(first) || errors.As(first, &later) {
		t.Errorf("%#v", first)
	}
	if second := c.WriteMessage(TextMessage, []byte("x")); second != first {
		t.Errorf("%#v", second)
	}
}

const pingBetween = "\x01\x02ab" + "\x89\x03bad" + "\x80\x01c" + "\x81\x03end"

func TestAHandlerThatPanicsIsCalledOncePerFrame(t *testing.T) {
	frames := "\x81\x01a" + "\x89\x01p" + "\x81\x01b"
	for _, pieces := range []bool{false, true} {
		c := dialTest(t, Dialer{}, script(t, "", func(server net.Conn, _ *bufio.Reader) {
			io.WriteString(server, frames)
			io.Copy(io.Discard, server)
		}))
		calls := 0
		c.SetPingHandler(func(string) error { calls++; panic("the handler's") })
		read := func() (text string) {
			defer func() {
				if recover() != nil {
					text = "panic"
				}
			}()
			if !pieces {
				_, p, err := c.ReadMessage()
				return fmt.Sprint(string(p), err)
			}
			_, r, err := c.NextReader()
			if err != nil {
				return err.Error()
			}
			p, err := io.ReadAll(r)
			return fmt.Sprint(string(p), err)
		}
		if got := []string{read(), read(), read()}; got[0] != "a<nil>" || got[1] != "panic" || got[2] != "b<nil>" || calls != 1 {
			t.Errorf("%q, %d calls", got, calls)
		}
	}
}

// The payload of a ping whose handler failed is never taken for the message around it.
func TestAHandlersErrorInTheMiddleOfAMessage(t *testing.T) {
	c := dialTest(t, Dialer{}, script(t, "", func(server net.Conn, _ *bufio.Reader) {
		io.WriteString(server, pingBetween)
		io.Copy(io.Discard, server)
	}))
	mine := errors.New("the handler's")
	c.SetPingHandler(func(string) error { return mine })
	_, r, err := c.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := io.ReadAll(r); string(p) != "ab" || err != mine {
		t.Errorf("%q %v", p, err)
	}
	if p, err := io.ReadAll(r); len(p) != 0 || err != mine {
		t.Errorf("%q %v", p, err)
	}
}

// Behind a close frame, whoever sent it: the server broke the protocol and was told so.
func TestWritingBehindAViolationIsErrCloseSent(t *testing.T) {
	c := dialTest(t, Dialer{}, script(t, "", func(server net.Conn, _ *bufio.Reader) {
		io.WriteString(server, "\x83\x01x")
		io.Copy(io.Discard, server)
	}))
	var failure *Error
	if _, _, err := c.ReadMessage(); !errors.As(err, &failure) || failure.CloseCode != CloseProtocolError {
		t.Fatalf("%#v", err)
	}
	if err := c.WriteMessage(TextMessage, []byte("x")); err != ErrCloseSent {
		t.Errorf("%#v", err)
	}
}

// The name of a host goes through IDNA before it is looked up, in whatever way TLS is made.
func TestANameOfOtherLetters(t *testing.T) {
	wide := func(address string) string {
		return strings.Replace(address, "localhost", "ｌｏｃａｌｈｏｓｔ", 1)
	}
	echoOnce(t, dialTest(t, Dialer{}, wide(agrees.ws)), "x")
	echoOnce(t, dialTest(t, Dialer{}, wide(agrees.wss)), "x")
	echoOnce(t, dialTest(t, Dialer{TLSClientConfig: &tls.Config{RootCAs: roots(t)}}, wide(agrees.wss)), "x")
	if _, _, err := (&Dialer{}).Dial("ws://a\u2024\u2024b/", nil); err == nil {
		t.Error("a name that cannot be is dialed")
	}
}

// A lost connection is no close frame.
func TestWritingBehindALostConnection(t *testing.T) {
	c := dialTest(t, Dialer{}, script(t, "", func(net.Conn, *bufio.Reader) {}))
	if _, _, err := c.ReadMessage(); !IsCloseError(err, CloseAbnormalClosure) {
		t.Fatalf("%#v", err)
	}
	if err := c.WriteMessage(TextMessage, []byte("x")); err == nil || err == ErrCloseSent {
		t.Errorf("%#v", err)
	}
}

func TestAPermanentTimeoutOfAWriteThatWasLate(t *testing.T) {
	c := dialTest(t, Dialer{PermanentTimeouts: true}, agrees.ws)
	late := time.Now().Add(-time.Second)
	if err := c.WriteControl(PingMessage, nil, late); !isTimeout(err) {
		t.Errorf("%v", err)
	}
	echoOnce(t, c, "a control message that was late is nobody's end")
	c.SetWriteDeadline(late)
	first := c.WriteMessage(TextMessage, []byte("x"))
	c.SetWriteDeadline(time.Time{})
	if second := c.WriteMessage(TextMessage, []byte("x")); !isTimeout(first) || second != first {
		t.Errorf("%v, %v", first, second)
	}
}

// A proxy that lets everybody in takes a dialer that has a password for it, as the model's do.
func TestASocksProxyNeedNotAskForThePassword(t *testing.T) {
	proxy := &url.URL{Scheme: "socks5", Host: socksProxy(t, "", ""), User: url.UserPassword("me", "secret")}
	c := dialTest(t, Dialer{Proxy: http.ProxyURL(proxy)}, agrees.ws)
	echoOnce(t, c, "x")
}

func TestWhereRedirectsMustNotLead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	reached := make(chan struct{})
	go func() {
		if conn, err := socket.Accept(); err == nil {
			close(reached)
			conn.Close()
		}
	}()
	for _, location := range []string{
		"ws+unix:" + path + ":/x", "WS+Unix://" + path, "http://user:password@127.0.0.1/", "//u@127.0.0.1/", "ftp://127.0.0.1/",
		`http:\\127.0.0.1\`, `/\127.0.0.1/`, "http:///127.0.0.1/", "ws:127.0.0.1", "//",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		}))
		_, resp, err := (&Dialer{MaxRedirects: 3, HandshakeTimeout: time.Second}).Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
		if failure, ok := err.(*Error); !ok || failure.Code != codeRedirectTo || resp == nil {
			t.Errorf("%s: %v", location, err)
		}
		server.Close()
	}
	select {
	case <-reached:
		t.Error("a server led us to a socket of this machine")
	default:
	}
}

// The status line is the server's own, and a 101 that failed a check is one, with Go's TLS and with libwsdial's.
func TestTheStatusOfARejection(t *testing.T) {
	reject := func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		defer conn.Close()
		if r.URL.Path == "/101" {
			io.WriteString(conn, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			return
		}
		io.WriteString(conn, "HTTP/1.1 403 Go Away\r\nContent-Length: 0\r\n\r\n")
	}
	server := httptest.NewServer(http.HandlerFunc(reject))
	defer server.Close()
	base := "ws" + strings.TrimPrefix(server.URL, "http")
	for path, want := range map[string]string{"/101": "101 Switching", "/403": "403 Go Away"} {
		_, resp, err := DefaultDialer.Dial(base+path, nil)
		if err != ErrBadHandshake || resp.Status != want || resp.ContentLength != 0 {
			t.Errorf("%v %+v", err, resp)
		}
	}
	// With libwsdial's own TLS the bytes are not seen here, but the fields are told.
	server = httptest.NewUnstartedServer(http.HandlerFunc(reject))
	defer server.Close()
	server.TLS = &tls.Config{Certificates: []tls.Certificate{identity}}
	server.StartTLS()
	_, resp, err := (&Dialer{}).Dial("wss"+strings.TrimPrefix(server.URL, "https")+"/101", nil)
	if err != ErrBadHandshake || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "websocket" || len(resp.Header) != 2 {
		t.Fatalf("%v %+v", err, resp)
	}
	if reason, ok := HandshakeReason(resp).(*Error); !ok || reason.Code != -524 {
		t.Errorf("%v", HandshakeReason(resp))
	}
}

// What the reader owes when the connection is being closed is owed to nobody, and no reason to look again and again.
func TestAPongOwedBehindClose(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	c.Close()
	within(t, "kicking a closed connection", c.kick)
}

// A frame that a full socket takes in part, or not at all, leaves whole and in its turn.
func TestSmallMessagesThroughAFullSocket(t *testing.T) {
	const count, size = 3000, 1000
	full, got := make(chan int, 1), make(chan error, 1)
	url := script(t, "", func(_ net.Conn, reader *bufio.Reader) {
		if _, err := reader.Discard(<-full); err != nil {
			got <- err
			return
		}
		frame := make([]byte, 8+size)
		for i := range count {
			if _, err := io.ReadFull(reader, frame); err != nil {
				got <- err
				return
			}
			for j := range size {
				if want := byte(i + j); frame[8+j]^frame[4+j%4] != want || frame[0] != 0x82 {
					got <- fmt.Errorf("byte %d of message %d is not %d", j, i, want)
					return
				}
			}
		}
		got <- nil
	})
	c := dialTest(t, Dialer{}, url)
	junk, written := make([]byte, 1<<16), 0
	c.raw.Write(func(fd uintptr) bool {
		for {
			n, err := syscall.Write(int(fd), junk)
			if err == syscall.EAGAIN {
				return true
			}
			written += max(n, 0)
		}
	})
	ended := make(chan error, 1)
	go func() {
		data := make([]byte, size)
		for i := range count {
			for j := range data {
				data[j] = byte(i + j)
			}
			if err := c.WriteMessage(BinaryMessage, data); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	full <- written
	within(t, "sending through a full socket", func() {
		if err := <-got; err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// C takes flags beside the kind, and cuts it to its int: what is no kind is refused before.
func TestANumberThatIsNoKind(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	ctx := context.Background()
	for _, number := range []int{0, 3, 7, 11, -1, TextMessage | 64, 1<<32 | TextMessage, -1 << 40} {
		_, fromNext := c.NextWriter(number)
		_, prepared := NewPreparedMessage(number, nil)
		for what, err := range map[string]error{
			"WriteMessage":       c.WriteMessage(number, []byte("x")),
			"a heavy one":        c.WriteMessage(number, make([]byte, heavyFrom)),
			"WriteContext":       c.WriteContext(ctx, number, []byte("x")),
			"WriteControl":       c.WriteControl(number, nil, time.Time{}),
			"NextWriter":         fromNext,
			"NewPreparedMessage": prepared,
		} {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Code != codeUsageKind || !strings.Contains(err.Error(), strconv.Itoa(number)) {
				t.Errorf("%s of %d: %v", what, number, err)
			}
		}
	}
	echoOnce(t, c, "nothing of it was sent")
}
