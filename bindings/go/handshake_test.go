//go:build cgo

package websocket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"time"
)

// rejecting are two servers with the same handler, without TLS and with identity.
func rejecting(t *testing.T, handle http.HandlerFunc) (ws, wss string) {
	plain, secure := httptest.NewServer(handle), httptest.NewUnstartedServer(handle)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{identity}}
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	return "ws" + strings.TrimPrefix(plain.URL, "http"), "wss" + strings.TrimPrefix(secure.URL, "https")
}

// theSystems is a crypto/tls configuration with the operating system's roots, which are the tests'.
func theSystems() *tls.Config { return &tls.Config{} }

// A request is as long as the program's fields make it.
func TestARequestOfAnySize(t *testing.T) {
	ws, wss := rejecting(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, len(r.Header.Get("X-Long")))
	})
	for _, size := range []int{100, kitOut - 500, kitOut, kitOut + 1, 5 * kitOut, 500_000} {
		header := http.Header{"X-Long": {strings.Repeat("x", size)}}
		for name, dial := range map[string]func() (*Conn, *http.Response, error){
			"ws":  func() (*Conn, *http.Response, error) { return DefaultDialer.Dial(ws, header) },
			"wss": func() (*Conn, *http.Response, error) { return DefaultDialer.Dial(wss, header) },
			"wss of Go": func() (*Conn, *http.Response, error) {
				return (&Dialer{TLSClientConfig: theSystems()}).Dial(wss, header)
			},
		} {
			_, resp, err := dial()
			if err != ErrBadHandshake || resp.StatusCode != http.StatusTeapot {
				t.Errorf("%s, %d bytes: %v %v", name, size, resp, err)
				continue
			}
			if got, _ := io.ReadAll(resp.Body); string(got) != fmt.Sprint(size) {
				t.Errorf("%s: %s of %d bytes arrived", name, got, size)
			}
		}
	}
}

// Through a proxy the server is spoken to in TLS, whoever makes the connection to the proxy.
func TestWssThroughAProxyWithNetDialTLSContext(t *testing.T) {
	proxy, count := httpProxy(t, "")
	proxy.Start()
	forbidden := func(context.Context, string, string) (net.Conn, error) {
		t.Error("NetDialTLSContext is asked for a connection without TLS")
		return nil, io.EOF
	}
	c := dialTest(t, Dialer{Proxy: through(proxy.URL), NetDialTLSContext: forbidden}, agrees.wss)
	if _, ok := c.NetConn().(*tls.Conn); !ok || *count != 1 {
		t.Errorf("%T, %d connections through the proxy", c.NetConn(), *count)
	}
	echoOnce(t, c, "x")
}

// A proxy in TLS is verified by the dialer's roots, or met by NetDialTLSContext; the server's TLS is inside of it.
func TestAProxyInTLS(t *testing.T) {
	proxy, count := httpProxy(t, "me:secret")
	proxy.TLS = &tls.Config{Certificates: []tls.Certificate{identity}}
	proxy.StartTLS()
	way := through("https://me:secret@" + proxy.Listener.Addr().String())
	asked := 0
	for name, d := range map[string]Dialer{
		"the system's roots": {Proxy: way},
		"roots of Go":        {Proxy: way, TLSClientConfig: theSystems()},
		"NetDialTLSContext": {Proxy: way, NetDialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			asked++
			return (&tls.Dialer{Config: theSystems()}).DialContext(ctx, network, addr)
		}},
	} {
		for _, url := range []string{agrees.ws, agrees.wss} {
			d.HandshakeTimeout = 10 * time.Second
			c, _, err := d.Dial(url, nil)
			if err != nil {
				t.Errorf("%s, %s: %v", name, url, err)
				continue
			}
			echoOnce(t, c, "x")
			c.Close()
		}
	}
	if *count != 6 || asked != 2 {
		t.Errorf("%d connections through the proxy, %d of them by NetDialTLSContext", *count, asked)
	}
	// Not to be verified is the server, not the proxy.
	d := Dialer{Proxy: way, TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), InsecureSkipVerify: true}}
	if _, _, err := d.Dial(agrees.ws, nil); err == nil {
		t.Error("a proxy that nobody vouches for is trusted with the password")
	}
}

// A Proxy function sees the fields of the request that it decides about.
func TestAProxyFunctionSeesTheHeader(t *testing.T) {
	seen := ""
	d := Dialer{Proxy: func(r *http.Request) (*url.URL, error) { seen = r.Header.Get("X-Team"); return nil, nil }}
	c, _, err := d.Dial(agrees.ws, http.Header{"X-Team": {"blue"}})
	if err != nil || seen != "blue" {
		t.Fatalf("%q %v", seen, err)
	}
	c.Close()
}

// A 101 that failed a check comes with its fields, in whoever's TLS.
func TestTheFieldsOfA101ThatFailedACheck(t *testing.T) {
	ws, wss := rejecting(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: no\r\nX-Why: because\r\nSet-Cookie: a=b\r\n\r\n")
	})
	for name, d := range map[string]*Dialer{ws: {}, wss: {}, "Go's " + wss: {TLSClientConfig: theSystems()}} {
		jar, _ := cookiejar.New(nil)
		d.Jar = jar
		address := strings.TrimPrefix(name, "Go's ")
		_, resp, err := d.Dial(address, nil)
		if err != ErrBadHandshake || resp.StatusCode != 101 || resp.Header.Get("X-Why") != "because" || len(resp.Cookies()) != 1 {
			t.Errorf("%s: %+v %v", name, resp, err)
			continue
		}
		if reason, ok := HandshakeReason(resp).(*Error); !ok || reason.Code != -524 {
			t.Errorf("%s: %v", name, HandshakeReason(resp))
		}
		at, _ := url.Parse("http" + strings.TrimPrefix(address, "ws"))
		if got := len(jar.Cookies(at)); got != 1 {
			t.Errorf("%s: %d cookies, and the model has one", name, got)
		}
	}
}

// The trace is told each field that was sent, as net/http tells it, where Go sees them.
func TestTraceOfTheFields(t *testing.T) {
	for _, url := range []string{agrees.ws, agrees.wss} {
		var names []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteHeaderField: func(name string, values []string) { names = append(names, name+" "+strings.Join(values, ",")) }})
		d := Dialer{EnableCompression: true, Subprotocols: []string{"json"}}
		c, _, err := d.DialContext(ctx, url, http.Header{"X-A": {"1"}, "Host": {"example.org"}})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		got := strings.Join(names, "; ")
		wanted := []string{"Host example.org", "X-A 1"}
		if url == agrees.ws {
			wanted = append(wanted, "Upgrade websocket", "Connection Upgrade", "Sec-WebSocket-Key ", "Sec-WebSocket-Version 13",
				"Sec-WebSocket-Protocol json", "Sec-WebSocket-Extensions permessage-deflate")
		}
		for _, field := range wanted {
			if strings.Count(got, field) != 1 {
				t.Errorf("%s: %q is not once in %s", url, field, got)
			}
		}
	}
}

// An answer of HTTP/1.0 is told as one.
func TestTheVersionOfARejection(t *testing.T) {
	ws, _ := rejecting(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.0 403 No\r\n\r\nwhy")
	})
	_, resp, err := DefaultDialer.Dial(ws, nil)
	if err != ErrBadHandshake || resp.Proto != "HTTP/1.0" || resp.ProtoMinor != 0 || resp.Status != "403 No" {
		t.Errorf("%v %+v", err, resp)
	}
}
