//go:build cgo

package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// within fails the test when the call takes longer than anything should.
func within(t *testing.T, what string, call func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); call() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s does not end", what)
	}
}

func echoOnce(t *testing.T, c *Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.ReadMessage(); string(data) != text || err != nil {
		t.Fatalf("sent %q, received %q, %v", text, data, err)
	}
}

func TestAReadThatTimedOutIsNotTheEnd(t *testing.T) {
	for _, url := range []string{agrees.ws, agrees.wss} {
		c := dialTest(t, Dialer{}, url)
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _, err := c.ReadMessage()
		timeout, ok := err.(net.Error)
		if !ok || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%#v", err)
		}
		c.SetReadDeadline(time.Time{})
		echoOnce(t, c, "after a deadline")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, _, err := c.ReadContext(ctx); err != context.DeadlineExceeded {
			t.Fatalf("%#v", err)
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, _, err := c.ReadContext(ctx); err != context.Canceled {
			t.Fatalf("%#v", err)
		}
		echoOnce(t, c, "after a context")
	}
}

func TestPermanentTimeouts(t *testing.T) {
	c := dialTest(t, Dialer{PermanentTimeouts: true}, agrees.ws)
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, first := c.ReadMessage()
	c.SetReadDeadline(time.Time{})
	if _, _, err := c.ReadMessage(); err == nil || err != first {
		t.Errorf("%v, then %v", first, err)
	}
}

func TestAContextBreaksOffHalfAMessageAndLosesNothing(t *testing.T) {
	next := make(chan struct{})
	url := script(t, "", func(stream net.Conn, _ *bufio.Reader) {
		stream.Write([]byte("\x81\x0aabcde"))
		<-next
		stream.Write([]byte("fghij"))
		<-next
	})
	c := dialTest(t, Dialer{}, url)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, _, err := c.ReadContext(ctx); err != context.DeadlineExceeded {
		t.Fatalf("%v", err)
	}
	next <- struct{}{}
	if _, data, err := c.ReadMessage(); string(data) != "abcdefghij" || err != nil {
		t.Errorf("%q %v", data, err)
	}
	close(next)
}

// Large payloads are read by C straight into their message, small ones and what is behind them elsewhere.
func TestMessagesOfEverySizeInAnyOrder(t *testing.T) {
	for _, secure := range []string{agrees.ws, agrees.wss} {
		c := dialTest(t, Dialer{Subprotocols: []string{"json"}}, secure)
		sizes := []int{1, 70_000, 0, 65_536, 65_536, 300_000, 126, 1 << 20, 1 << 20, 16_384, 3 << 20, 5}
		go func() {
			for i, size := range sizes {
				c.WriteMessage(TextMessage, []byte(strings.Repeat(string(rune('a'+i)), size)))
			}
		}()
		var buf []byte
		for i, size := range sizes {
			var kind int
			var data []byte
			var err error
			if i%3 == 2 {
				kind, data, err = c.ReadMessage()
			} else {
				kind, buf, err = c.ReadAppend(t.Context(), append(buf[:0], "before"...))
				data = bytes.TrimPrefix(buf, []byte("before"))
			}
			want := strings.Repeat(string(rune('a'+i)), size)
			if kind != TextMessage || string(data) != want || err != nil {
				t.Fatalf("%s: message %d of %d bytes came as %d of kind %d, %v", secure, i, size, len(data), kind, err)
			}
		}
	}
}

func TestALargeMessageThatWasBrokenOffGoesOn(t *testing.T) {
	next := make(chan struct{})
	url := script(t, "", func(stream net.Conn, _ *bufio.Reader) {
		half := bytes.Repeat([]byte("x"), 100_000)
		for range 2 {
			stream.Write(append([]byte("\x81\x7f\x00\x00\x00\x00\x00\x03\x0d\x40"), half...))
			<-next
			stream.Write(half)
			<-next
		}
		stream.Write([]byte("\x81\x7f\x00\x00\x00\x00\x00\x03\x0d\x40"))
		stream.Write(half[:70_000])
		stream.Write([]byte("\xff"))
		stream.Write(half)
		<-next
	})
	c := dialTest(t, Dialer{}, url)
	for turn := range 2 {
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			kept := []byte("kept")
			if _, p, err := c.ReadAppend(ctx, kept); err != context.DeadlineExceeded || string(p) != "kept" {
				t.Fatalf("%q %v", p, err)
			}
			cancel()
		}
		next <- struct{}{}
		var data []byte
		var err error
		if turn == 0 {
			_, data, err = c.ReadMessage()
		} else {
			var r io.Reader
			if _, r, err = c.NextReader(); err == nil {
				data, err = io.ReadAll(r)
			}
		}
		if len(data) != 200_000 || bytes.Count(data, []byte("x")) != len(data) || err != nil {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		next <- struct{}{}
	}
	_, _, err := c.ReadMessage()
	var failure *Error
	if !errors.As(err, &failure) || failure.CloseCode != 1007 {
		t.Errorf("%v", err)
	}
	close(next)
}

func TestAWriteThatTimedOut(t *testing.T) {
	drain := make(chan struct{})
	got := make(chan int64, 1)
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		<-drain
		n, _ := io.Copy(io.Discard, reader)
		got <- n
	})
	c := dialTest(t, Dialer{}, url)
	message := make([]byte, 32<<20) // more than any socket buffer takes
	c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	err := c.WriteMessage(BinaryMessage, message)
	var pending *PendingError
	if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() || !errors.As(err, &pending) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%#v", err)
	}
	// The next finds the way barred and is not taken.
	c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if err := c.WriteMessage(BinaryMessage, message); !errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &pending) {
		t.Fatalf("%#v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.WriteContext(ctx, TextMessage, nil); err != context.Canceled {
		t.Fatalf("%#v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	c.SetWriteDeadline(time.Time{})
	if err := c.WriteContext(ctx, TextMessage, nil); err != context.DeadlineExceeded {
		t.Fatalf("%#v", err)
	}
	cancel()
	close(drain)
	if err := c.WriteMessage(TextMessage, []byte("last")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n := <-got; n != 14+32<<20+6+4 {
		t.Errorf("the server got %d bytes", n)
	}
}

// pipeServer answers the handshake on one end of a net.Pipe and echoes frames as they are, unmasked.
func pipeServer(server net.Conn) {
	defer server.Close()
	reader := bufio.NewReader(server)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	io.WriteString(server, answer(request, ""))
	for {
		head := make([]byte, 6)
		if _, err := io.ReadFull(reader, head); err != nil {
			return
		}
		body := make([]byte, head[1]&127)
		io.ReadFull(reader, body)
		for i := range body {
			body[i] ^= head[2+i%4]
		}
		server.Write(append([]byte{head[0], byte(len(body))}, body...))
	}
}

func TestAnyNetConn(t *testing.T) {
	for name, d := range map[string]Dialer{
		"NetDial": {NetDial: func(network, addr string) (net.Conn, error) {
			if network != "tcp" || addr != "nowhere.example:80" {
				return nil, fmt.Errorf("%s %s", network, addr)
			}
			ours, theirs := net.Pipe()
			go pipeServer(theirs)
			return ours, nil
		}},
		"NetDialContext": {NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go pipeServer(theirs)
			return ours, nil
		}, HandshakeTimeout: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := d.Dial("ws://nowhere.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			echoOnce(t, c, "over a pipe")
			c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Time{})
			echoOnce(t, c, "again")
			within(t, "a read that is closed", func() {
				time.AfterFunc(10*time.Millisecond, func() { c.Close() })
				if _, _, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%#v", err)
				}
			})
		})
	}
}

func TestNewClientOverAConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	go pipeServer(theirs)
	c, resp, err := NewClient(ours, &url.URL{Scheme: "ws", Host: "x.example"}, nil, 1024, 1024)
	if err != nil || resp.StatusCode != 101 {
		t.Fatal(err)
	}
	defer c.Close()
	if c.NetConn() != ours || c.UnderlyingConn() != ours {
		t.Error("it has another connection")
	}
	echoOnce(t, c, "x")
}

func roots(t *testing.T) *x509.CertPool {
	pem, err := os.ReadFile(agrees.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

func TestTLSOfGo(t *testing.T) {
	address := strings.TrimPrefix(agrees.wss, "wss://")
	for name, d := range map[string]Dialer{
		"TLSClientConfig": {TLSClientConfig: &tls.Config{RootCAs: roots(t)}},
		"NetDialTLSContext": {NetDialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr != address {
				return nil, errors.New(addr)
			}
			return (&tls.Dialer{Config: &tls.Config{RootCAs: roots(t)}}).DialContext(ctx, network, addr)
		}},
	} {
		c := dialTest(t, d, agrees.wss)
		if _, ok := c.NetConn().(*tls.Conn); !ok {
			t.Errorf("%s: NetConn is a %T", name, c.NetConn())
		}
		echoOnce(t, c, name)
		if err := c.WriteMessage(CloseMessage, FormatCloseMessage(CloseNormalClosure, "")); err != nil {
			t.Error(err)
		}
		if _, _, err := c.ReadMessage(); !IsCloseError(err, CloseNormalClosure) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var invalid *tls.CertificateVerificationError
	if _, _, err := (&Dialer{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}).Dial(agrees.wss, nil); !errors.As(err, &invalid) {
		t.Errorf("%v", err)
	}
}

// httpProxy is a proxy that asks for this user and password, and counts.
func httpProxy(t *testing.T, credentials string) (*httptest.Server, *int) {
	count := new(int)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
		if r.Method != http.MethodConnect || (credentials != "" && r.Header.Get("Proxy-Authorization") != want) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		upstream, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		*count++
		client, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { defer upstream.Close(); io.Copy(upstream, client) }()
		defer client.Close()
		io.Copy(client, upstream)
	}))
	t.Cleanup(server.Close)
	return server, count
}

// socksProxy is a SOCKS5 proxy with one user, or none.
func socksProxy(t *testing.T, user, password string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	serve := func(client net.Conn) {
		defer client.Close()
		b := make([]byte, 600)
		io.ReadFull(client, b[:2])
		offered := b[2 : 2+b[1]]
		io.ReadFull(client, offered)
		method := byte(0)
		if user != "" {
			method = 2
		}
		if bytes.IndexByte(offered, method) < 0 {
			client.Write([]byte{5, 255})
			return
		}
		client.Write([]byte{5, method})
		if method == 2 {
			io.ReadFull(client, b[:2])
			io.ReadFull(client, b[2:2+b[1]+1])
			name := string(b[2 : 2+b[1]])
			size := b[2+b[1]]
			io.ReadFull(client, b[:size])
			if name != user || string(b[:size]) != password {
				client.Write([]byte{1, 1})
				return
			}
			client.Write([]byte{1, 0})
		}
		io.ReadFull(client, b[:5])
		host := ""
		switch b[3] {
		case 1:
			io.ReadFull(client, b[5:8])
			host = net.IP(b[4:8]).String()
		case 3:
			size := int(b[4])
			io.ReadFull(client, b[:size])
			host = string(b[:size])
		}
		io.ReadFull(client, b[:2])
		upstream, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(int(b[0])<<8|int(b[1]))))
		if err != nil {
			client.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		client.Write([]byte{5, 0, 0, 3, 2, 'h', 'i', 0, 0})
		go func() { defer upstream.Close(); io.Copy(upstream, client) }()
		io.Copy(client, upstream)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(client)
		}
	}()
	return listener.Addr().String()
}

// sayer says one thing to whoever connects.
func sayer(t *testing.T, text string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			io.ReadAtLeast(client, make([]byte, 1000), 3)
			io.WriteString(client, text)
			client.(*net.TCPConn).CloseWrite()
		}
	}()
	return listener.Addr().String()
}

func through(proxy string) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) { return url.Parse(proxy) }
}

func TestProxies(t *testing.T) {
	open, opened := httpProxy(t, "")
	open.Start()
	locked, _ := httpProxy(t, "me:secret")
	locked.Start()
	socks, lockedSocks := socksProxy(t, "", ""), socksProxy(t, "me", "secret")
	for _, proxy := range []string{
		open.URL, "http://me:secret@" + locked.Listener.Addr().String(), "socks5://" + socks, "socks5h://me:secret@" + lockedSocks,
	} {
		for _, url := range []string{agrees.ws, agrees.wss, strings.Replace(agrees.ws, "127.0.0.1", "localhost", 1)} {
			for _, config := range []*tls.Config{nil, {RootCAs: roots(t)}} {
				d := Dialer{Proxy: through(proxy), HandshakeTimeout: 5 * time.Second, TLSClientConfig: config}
				c, _, err := d.Dial(url, nil)
				if err != nil {
					t.Errorf("%s through %s: %v", url, proxy, err)
					continue
				}
				echoOnce(t, c, "by way of a proxy")
				c.Close()
			}
		}
	}
	if *opened != 6 {
		t.Errorf("%d connections went through the proxy", *opened)
	}
	for proxy, code := range map[string]int{
		"http://me:wrong@" + locked.Listener.Addr().String(): codeProxyAuth, locked.URL: codeProxyAuth,
		"socks5://me:wrong@" + lockedSocks: codeProxyAuth, "socks5://" + lockedSocks: codeProxyAuth,
		"ftp://x": codeOptionValue, "socks5://" + sayer(t, "HTTP/1.1 400 Bad Request\r\n\r\n"): codeProxyAnswer,
		"http://" + sayer(t, "\x05\x00\r\n\r\n"): codeProxyAnswer, "http://" + sayer(t, "HTTP/1.1 200"): codeProxyEOF,
	} {
		var e *Error
		if _, _, err := (&Dialer{Proxy: through(proxy), HandshakeTimeout: 5 * time.Second}).Dial(agrees.ws, nil); !errors.As(err, &e) || e.Code != code {
			t.Errorf("through %s: %#v", proxy, err)
		}
	}
	for proxy, code := range map[string]int{open.URL: codeProxyRejected, "socks5://" + socks: codeProxyReach} {
		var e *Error
		if _, _, err := (&Dialer{Proxy: through(proxy)}).Dial("ws://127.0.0.1:1", nil); !errors.As(err, &e) || e.Code != code {
			t.Errorf("to nobody through %s: %#v", proxy, err)
		}
	}
	mine := errors.New("mine")
	d := Dialer{Proxy: func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" || r.URL.Host != "x.example:1" {
			t.Errorf("%v", r.URL)
		}
		return nil, mine
	}}
	if _, _, err := d.Dial("wss://x.example:1", nil); err != mine {
		t.Error(err)
	}
}

func TestAProxySeesNothingOfAPatientClientForEver(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, scheme := range []string{"http", "https", "socks5"} {
		d := Dialer{Proxy: through(scheme + "://" + listener.Addr().String()), HandshakeTimeout: 50 * time.Millisecond}
		within(t, scheme, func() {
			if _, _, err := d.Dial("ws://x.example", nil); !errors.Is(err, os.ErrDeadlineExceeded) || err.(*Error).Phase != "proxy" {
				t.Errorf("%#v", err)
			}
		})
	}
}

func TestJarAndRedirects(t *testing.T) {
	mux := http.NewServeMux()
	var seen []string
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path+" "+r.Header.Get("Cookie")+" "+r.Header.Get("Authorization"))
		http.SetCookie(w, &http.Cookie{Name: "a", Value: fmt.Sprint(len(seen)), Path: "/"})
		switch r.URL.Path {
		case "/first":
			http.Redirect(w, r, "/second", http.StatusFound)
		case "/second":
			http.Redirect(w, r, "http"+strings.TrimPrefix(agrees.ws, "ws"), http.StatusTemporaryRedirect)
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	base := "ws" + strings.TrimPrefix(server.URL, "http")
	jar, _ := cookiejar.New(nil)
	header := http.Header{"Authorization": {"Bearer x"}}

	_, resp, err := (&Dialer{Jar: jar}).Dial(base+"/first", header)
	if err != ErrBadHandshake || resp.StatusCode != 302 {
		t.Fatalf("%v %v", resp, err)
	}
	c, resp, err := (&Dialer{Jar: jar, MaxRedirects: 2}).Dial(base+"/first", header)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
	c.Close()
	if _, resp, err = (&Dialer{Jar: jar, MaxRedirects: 1}).Dial(base+"/first", header); err != ErrBadHandshake || resp.StatusCode != 307 {
		t.Fatalf("%v %v", resp, err)
	}
	want := "/first  Bearer x|/first a=1 Bearer x|/second a=2 Bearer x|/first a=3 Bearer x|/second a=4 Bearer x"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("%s", got)
	}
	if cookies := jar.Cookies(&url.URL{Scheme: "http", Host: server.Listener.Addr().String(), Path: "/"}); len(cookies) != 1 || cookies[0].Value != "5" {
		t.Errorf("%v", cookies)
	}
	from, _ := url.Parse("wss://a.example/x")
	down := &http.Response{StatusCode: 301, Header: http.Header{"Location": {"http://a.example/"}}}
	if _, _, err := redirect(from.String(), down, nil); err == nil || err.(*Error).Code != codeDowngrade {
		t.Errorf("%v", err)
	}
	other := &http.Response{StatusCode: 308, Header: http.Header{"Location": {"//b.example/y"}}}
	next, left, err := redirect(from.String(), other, http.Header{"Authorization": {"x"}, "X": {"y"}})
	if next != "wss://b.example/y" || len(left) != 1 || err != nil {
		t.Errorf("%s %v %v", next, left, err)
	}
}

func TestTrace(t *testing.T) {
	for _, config := range []*tls.Config{nil, {RootCAs: roots(t)}} {
		var mu sync.Mutex
		var events []string
		note := func(text string) { mu.Lock(); events = append(events, text); mu.Unlock() }
		trace := &httptrace.ClientTrace{
			GetConn:           func(string) { note("get") },
			ConnectStart:      func(_, _ string) { note("connect") },
			ConnectDone:       func(_, _ string, _ error) { note("connected") },
			GotConn:           func(i httptrace.GotConnInfo) { note(fmt.Sprintf("got %v", i.Conn != nil)) },
			TLSHandshakeStart: func() { note("tls") },
			TLSHandshakeDone: func(s tls.ConnectionState, err error) {
				note(fmt.Sprintf("tls done %v %v %v", s.Version == tls.VersionTLS13, s.CipherSuite != 0, err))
			},
			WroteHeaders:         func() { note("headers") },
			WroteRequest:         func(httptrace.WroteRequestInfo) { note("request") },
			GotFirstResponseByte: func() { note("first byte") },
		}
		d := Dialer{TLSClientConfig: config}
		c, _, err := d.DialContext(httptrace.WithClientTrace(t.Context(), trace), agrees.wss, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		want := "get, connect, connected, got true, tls, tls done true true <nil>, headers, request, first byte"
		if got := strings.Join(events, ", "); got != want {
			t.Errorf("%s", got)
		}
	}
}
