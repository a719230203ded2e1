//go:build cgo

package websocket

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The project's echo server, on tungstenite: one that agrees to "json" and "chat", one that declines.
var agrees, declines echoServer

type echoServer struct{ ws, wss, ca string }

func TestMain(m *testing.M) {
	if os.Getenv("WSDIAL_CROWD_SERVER") != "" {
		crowdServer()
		return
	}
	os.Exit(withServers(m))
}

func withServers(m *testing.M) int {
	binary := os.Getenv("WSDIAL_ECHO_SERVER")
	if binary == "" {
		binary = "../../target/release/examples/echo-server"
	}
	folder, err := os.MkdirTemp("", "wsdial")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	for server, option := range map[*echoServer][]string{
		&agrees:   {"--subprotocol", "json,chat"},
		&declines: {"--no-subprotocol"},
	} {
		server.ca = filepath.Join(folder, strings.Trim(option[0], "-")+".pem")
		command := exec.Command(binary, append(option, "--port", "0", "--tls-port", "0", "--ca", server.ca)...)
		// It ends when this pipe is closed, however this process ends.
		pipe, err := command.StdinPipe()
		if err != nil {
			panic(err)
		}
		defer pipe.Close()
		output, err := command.StdoutPipe()
		if err != nil {
			panic(err)
		}
		if err := command.Start(); err != nil {
			fmt.Fprintf(os.Stderr, "the echo server does not start (make build makes it): %v\n", err)
			return 1
		}
		if _, err := fmt.Fscanf(output, "ready %s %s", &server.ws, &server.wss); err != nil {
			panic(err)
		}
	}
	// The operating system's roots, for libwsdial as for crypto/tls: those of the two servers, and of those of Go's.
	var roots []byte
	identity, roots = newIdentity(net.IPv4(127, 0, 0, 1))
	for _, server := range []*echoServer{&agrees, &declines} {
		pem, err := os.ReadFile(server.ca)
		if err != nil {
			panic(err)
		}
		roots = append(roots, pem...)
	}
	bundle := filepath.Join(folder, "roots.pem")
	if err := os.WriteFile(bundle, roots, 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", bundle)
	// For the examples.
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	os.Setenv("WSDIAL_EXAMPLE_URL", agrees.ws)
	os.Setenv("WSDIAL_EXAMPLE_NO", "ws"+strings.TrimPrefix(refuses.URL, "http"))
	return m.Run()
}

// identity is of a server at 127.0.0.1, by an authority that is trusted.
var identity tls.Certificate

// newIdentity makes a certificate for an address, and the authority that it is by, as PEM.
func newIdentity(address net.IP) (tls.Certificate, []byte) {
	issue := func(template, by *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		if signer == nil {
			signer = key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
		if err != nil {
			panic(err)
		}
		return der, key
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true}
	root, signer := issue(ca, ca, nil)
	der, key := issue(&x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{address}}, ca, signer)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
}

func dialTest(t *testing.T, d Dialer, url string) *Conn {
	t.Helper()
	c, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestEchoAndCleanClose(t *testing.T) {
	for _, url := range []string{agrees.ws, agrees.wss} {
		d := Dialer{Subprotocols: []string{"other", "json"}}
		c, resp, err := d.DialContext(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 101 || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") {
			t.Errorf("%s: response %d %v", url, resp.StatusCode, resp.Header)
		}
		if c.Subprotocol() != "json" {
			t.Errorf("%s: subprotocol %q", url, c.Subprotocol())
		}
		for _, sent := range []struct {
			kind int
			data string
		}{{TextMessage, "h\u00e9llo"}, {BinaryMessage, "\x00\xff"}, {TextMessage, ""}, {BinaryMessage, strings.Repeat("x", 3<<20)}} {
			if err := c.WriteMessage(sent.kind, []byte(sent.data)); err != nil {
				t.Fatal(err)
			}
			kind, data, err := c.ReadMessage()
			if kind != sent.kind || string(data) != sent.data || data == nil || err != nil {
				t.Fatalf("%s: sent %d bytes of kind %d, received %d of kind %d, %v", url, len(sent.data), sent.kind, len(data), kind, err)
			}
		}
		if err := c.WriteMessage(CloseMessage, FormatCloseMessage(4001, "enough")); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the verdict stays
			kind, data, err := c.ReadMessage()
			var e *CloseError
			if !errors.As(err, &e) || e.Code != 4001 || e.Text != "enough" || kind != -1 || data != nil {
				t.Fatalf("%s: read after close: %d %q %#v", url, kind, data, err)
			}
		}
		if err := c.WriteMessage(TextMessage, nil); err != ErrCloseSent {
			t.Errorf("write after close: %v", err)
		}
		if first, second := c.Close(), c.Close(); first != nil || second != nil {
			t.Error("Close twice is not harmless")
		}
		if _, _, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
		if err := c.WriteMessage(TextMessage, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
	}
}

func TestDeclinedSubprotocol(t *testing.T) {
	c := dialTest(t, Dialer{Subprotocols: []string{"json"}}, declines.ws)
	if c.Subprotocol() != "" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
}

func TestSubprotocolInTheHeaderIsTheOffer(t *testing.T) {
	c, _, err := (&Dialer{}).Dial(agrees.ws, http.Header{"Sec-Websocket-Protocol": {"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Subprotocol() != "chat" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
}

func TestAddresses(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	port := agrees.ws[strings.LastIndexByte(agrees.ws, ':')+1:]
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || fmt.Sprint(remote.Port) != port || !remote.IP.IsLoopback() {
		t.Errorf("remote %v", c.RemoteAddr())
	}
	if local, ok := c.LocalAddr().(*net.TCPAddr); !ok || local.Port == 0 || !local.IP.IsLoopback() {
		t.Errorf("local %v", c.LocalAddr())
	}
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, resp, err := DefaultDialer.Dial("wss"+strings.TrimPrefix(server.URL, "https"), nil)
	var e *Error
	if !errors.As(err, &e) || e.Code > -410 || e.Code <= -420 || e.Phase != "TLS" || resp != nil {
		t.Errorf("%v %#v", resp, err)
	}
}

func TestRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_, _, err = DefaultDialer.Dial("ws://"+listener.Addr().String(), nil)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), listener.Addr().String()) {
		t.Errorf("%#v", err)
	}
}

func TestRejectionBringsTheResponse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.Header().Set("X-Saw", r.Header.Get("X-Mine")+" "+r.Host)
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "no coffee")
	}))
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http")
	_, resp, err := DefaultDialer.Dial(url, http.Header{"X-Mine": {"a"}, "Host": {"example.org"}})
	if err != ErrBadHandshake {
		t.Fatalf("%#v", err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 418 || string(body) != "no coffee" || len(resp.Header["X-Two"]) != 2 ||
		resp.Header.Get("X-Saw") != "a example.org" {
		t.Errorf("%+v %q", resp, body)
	}
}

// answer agrees to a handshake, with these fields more.
func answer(request *http.Request, fields string) string {
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return fmt.Sprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n%s\r\n", base64.StdEncoding.EncodeToString(sum[:]), fields)
}

// script answers the handshake of one client, with these fields more, and hands the stream over.
func script(t *testing.T, fields string, then func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		stream, err := listener.Accept()
		if err != nil {
			return
		}
		defer stream.Close()
		reader := bufio.NewReader(stream)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		io.WriteString(stream, answer(request, fields))
		then(stream, reader)
	}()
	return "ws://" + listener.Addr().String()
}

func TestLostConnectionIs1006(t *testing.T) {
	url := script(t, "", func(stream net.Conn, _ *bufio.Reader) { stream.Write([]byte("\x81\x02hi\x81\x05tor")) })
	c := dialTest(t, Dialer{}, url)
	if _, data, err := c.ReadMessage(); string(data) != "hi" || err != nil {
		t.Fatalf("%q %v", data, err)
	}
	_, _, err := c.ReadMessage()
	if !IsCloseError(err, CloseAbnormalClosure) || err.(*CloseError).Text != "unexpected EOF" {
		t.Errorf("%#v", err)
	}
}

func TestServerCloses(t *testing.T) {
	answer := make(chan string, 1)
	url := script(t, "", func(stream net.Conn, reader *bufio.Reader) {
		stream.Write([]byte("\x88\x05\x03\xe9bye"))
		frame := make([]byte, 8)
		io.ReadFull(reader, frame)
		answer <- string([]byte{frame[0], frame[1], frame[6] ^ frame[2], frame[7] ^ frame[3]})
	})
	c := dialTest(t, Dialer{}, url)
	_, _, err := c.ReadMessage()
	if !IsCloseError(err, CloseGoingAway) || IsUnexpectedCloseError(err, CloseGoingAway) || !IsUnexpectedCloseError(err, 1000) {
		t.Errorf("%#v", err)
	}
	if err.Error() != "websocket: close 1001 (going away): bye" {
		t.Error(err)
	}
	if got := <-answer; got[0] != 0x88 || got[2:] != "\x03\xe9" {
		t.Errorf("the answer was %x", got)
	}
	if err := c.WriteMessage(TextMessage, []byte("late")); err != ErrCloseSent {
		t.Errorf("write after the server's close: %v", err)
	}
}

func TestUnofferedSubprotocolIsABadHandshake(t *testing.T) {
	url := script(t, "Sec-WebSocket-Protocol: other\r\n", func(net.Conn, *bufio.Reader) {})
	_, resp, err := (&Dialer{Subprotocols: []string{"json"}}).Dial(url, nil)
	if err != ErrBadHandshake || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Protocol") != "other" {
		t.Fatalf("%+v %#v", resp, err)
	}
	if e, ok := HandshakeReason(resp).(*Error); !ok || e.Code != -526 {
		t.Errorf("%#v", HandshakeReason(resp))
	}
}

func TestReadLimit(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	c.SetReadLimit(10)
	if err := c.WriteMessage(BinaryMessage, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); err != ErrReadLimit {
		t.Errorf("%#v", err)
	}
}

func TestControlMessages(t *testing.T) {
	c := dialTest(t, Dialer{}, agrees.ws)
	for _, kind := range []int{PingMessage, PongMessage} {
		if err := c.WriteMessage(kind, []byte("x")); err != nil {
			t.Error(err)
		}
		if err := c.WriteMessage(kind, make([]byte, 126)); err == nil {
			t.Error("126 bytes were taken")
		}
	}
	for _, wrong := range [][]byte{{3}, {0, 0}, FormatCloseMessage(1006, ""), FormatCloseMessage(1000, "\xff"), FormatCloseMessage(1000, strings.Repeat("x", 124))} {
		if err := c.WriteMessage(CloseMessage, wrong); err == nil {
			t.Errorf("a close of %x was taken", wrong)
		}
	}
	if err := c.WriteMessage(TextMessage, []byte{0xff}); err == nil {
		t.Error("text that is not UTF-8 was taken")
	}
	if err := c.WriteMessage(3, nil); err == nil {
		t.Error("kind 3 was taken")
	}
	// None of these refusals hurt the connection.
	if err := c.WriteMessage(TextMessage, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.ReadMessage(); string(data) != "still here" || err != nil {
		t.Errorf("%q %v", data, err)
	}
	if err := c.WriteMessage(CloseMessage, FormatCloseMessage(CloseNoStatusReceived, "")); err != nil {
		t.Error(err)
	}
	if _, _, err := c.ReadMessage(); !IsCloseError(err, CloseNoStatusReceived) {
		t.Errorf("%#v", err)
	}
}

func TestCloseWakesTheReader(t *testing.T) {
	for _, url := range []string{agrees.ws, agrees.wss} {
		c := dialTest(t, Dialer{}, url)
		woken := make(chan error, 1)
		go func() {
			_, _, err := c.ReadMessage()
			woken <- err
		}()
		// Once a second reader is told so, the first is inside.
		for !c.reading.Load() {
			time.Sleep(time.Millisecond)
		}
		c.Close()
		select {
		case err := <-woken:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%#v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the reader was not woken")
		}
	}
}

func TestCloseWakesAWriterWhoseServerDoesNotRead(t *testing.T) {
	quit := make(chan struct{})
	url := script(t, "", func(net.Conn, *bufio.Reader) { <-quit })
	defer close(quit)
	c := dialTest(t, Dialer{}, url)
	started, woken := make(chan struct{}), make(chan error, 1)
	go func() {
		chunk := make([]byte, 1<<20)
		close(started)
		for {
			if err := c.WriteMessage(BinaryMessage, chunk); err != nil {
				woken <- err
				return
			}
		}
	}()
	<-started
	c.Close()
	select {
	case err := <-woken:
		if !errors.Is(err, net.ErrClosed) && err != ErrCloseSent {
			t.Errorf("%#v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the writer was not woken")
	}
}

func TestHandshakeTimeoutAndContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	url := "ws://" + listener.Addr().String()

	_, _, err = (&Dialer{HandshakeTimeout: 50 * time.Millisecond}).Dial(url, nil)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("timeout: %#v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := (&Dialer{}).DialContext(ctx, url, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %#v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, _, err := (&Dialer{HandshakeTimeout: time.Second}).DialContext(ctx, url, nil)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("cancel: %#v", err)
	}
}

func TestBadInput(t *testing.T) {
	for _, url := range []string{"", "localhost:1", "http://localhost", "ws://", "ws://localhost:0", "ws://localhost/#x", "ws://localhost/\x00"} {
		if c, _, err := (&Dialer{}).Dial(url, nil); err == nil {
			c.Close()
			t.Errorf("%q was dialed", url)
		}
	}
	for _, d := range []Dialer{
		{Subprotocols: []string{"a", "a"}}, {Subprotocols: []string{""}}, {Subprotocols: []string{"a b"}},
		{Subprotocols: []string{"a\x00"}},
	} {
		if c, _, err := d.Dial(agrees.ws, nil); err == nil {
			c.Close()
			t.Errorf("%+v was taken", d)
		}
	}
	for _, h := range []http.Header{{"Upgrade": {"x"}}, {"A b": {"x"}}, {"A": {"x\r\nB: y"}}, {"A": {"\x00"}}} {
		if c, _, err := (&Dialer{}).Dial(agrees.ws, h); err == nil {
			c.Close()
			t.Errorf("%v was taken", h)
		}
	}
}

func TestManyWritersOneReader(t *testing.T) {
	const writers, each = 4, 200
	for _, url := range []string{agrees.ws, agrees.wss} {
		c := dialTest(t, Dialer{}, url)
		var group sync.WaitGroup
		for w := range writers {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := range each {
					if err := c.WriteMessage(TextMessage, fmt.Appendf(nil, "%d %d %s", w, i, strings.Repeat("x", i*50))); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		next := [writers]int{}
		for range writers * each {
			_, data, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			var w, i int
			if _, err := fmt.Sscanf(string(data), "%d %d", &w, &i); err != nil || i != next[w] ||
				string(data) != fmt.Sprintf("%d %d %s", w, i, strings.Repeat("x", i*50)) {
				t.Fatalf("torn or out of order: %.40q", data)
			}
			next[w]++
		}
		group.Wait()
	}
}

func TestCloseErrorText(t *testing.T) {
	for text, e := range map[string]*CloseError{
		"websocket: close 1000 (normal)":                  {1000, ""},
		"websocket: close 1006 (abnormal closure): gone":  {1006, "gone"},
		"websocket: close 4000: mine":                     {4000, "mine"},
		"websocket: close 1009 (message too big)":         {1009, ""},
		"websocket: close 1011 (internal server error)":   {1011, ""},
		"websocket: close 1015 (TLS handshake error): no": {1015, "no"},
	} {
		if e.Error() != text {
			t.Errorf("%q is not %q", e.Error(), text)
		}
	}
	if got := FormatCloseMessage(1000, "x"); string(got) != "\x03\xe8x" {
		t.Errorf("%x", got)
	}
}

func TestErrorsArePlainValues(t *testing.T) {
	_, _, err := (&Dialer{}).Dial("ws://localhost:0", nil)
	if text := fmt.Sprintf("%#v", err); strings.Contains(text, "0x") {
		t.Errorf("a pointer in %s", text)
	}
}
