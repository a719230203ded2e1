// Package interop drives the package against a server on gorilla/websocket, and beside gorilla's own client: what one
// says, the other must say too. It is a module of its own, so that users of the package do not depend on gorilla.
package interop

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	websocket "github.com/wsdial/wsdial/bindings/go"
)

// The part of both packages that a program sees.
type conn interface {
	ReadMessage() (int, []byte, error)
	WriteMessage(int, []byte) error
	SetReadLimit(int64)
	Subprotocol() string
	Close() error
}

type client struct {
	name     string
	dial     func(url string, subprotocols []string, header http.Header) (conn, *http.Response, error)
	closed   func(err error) (code int, text string, ok bool)
	rejected error
	limited  error
}

var clients = []client{
	{
		name: "wsdial",
		dial: func(url string, subprotocols []string, header http.Header) (conn, *http.Response, error) {
			d := websocket.Dialer{Subprotocols: subprotocols}
			c, resp, err := d.Dial(url, header)
			if err != nil {
				return nil, resp, err
			}
			return c, resp, nil
		},
		closed: func(err error) (int, string, bool) {
			if e, ok := err.(*websocket.CloseError); ok {
				return e.Code, e.Text, true
			}
			return 0, "", false
		},
		rejected: websocket.ErrBadHandshake,
		limited:  websocket.ErrReadLimit,
	},
	{
		name: "gorilla",
		dial: func(url string, subprotocols []string, header http.Header) (conn, *http.Response, error) {
			d := gorilla.Dialer{Subprotocols: subprotocols}
			c, resp, err := d.Dial(url, header)
			if err != nil {
				return nil, resp, err
			}
			return c, resp, nil
		},
		closed: func(err error) (int, string, bool) {
			if e, ok := err.(*gorilla.CloseError); ok {
				return e.Code, e.Text, true
			}
			return 0, "", false
		},
		rejected: gorilla.ErrBadHandshake,
		limited:  gorilla.ErrReadLimit,
	},
}

// serve starts a server whose handler gets each connection. It ends with the test.
func serve(t *testing.T, upgrader gorilla.Upgrader, handle func(*gorilla.Conn)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		handle(c)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func echo(c *gorilla.Conn) {
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func each(t *testing.T, run func(*testing.T, client)) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) { run(t, c) })
	}
}

func dial(t *testing.T, c client, url string, subprotocols ...string) conn {
	t.Helper()
	connection, _, err := c.dial(url, subprotocols, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func TestEcho(t *testing.T) {
	url := serve(t, gorilla.Upgrader{Subprotocols: []string{"json"}, ReadBufferSize: 100}, echo)
	each(t, func(t *testing.T, c client) {
		connection := dial(t, c, url, "chat", "json")
		if connection.Subprotocol() != "json" {
			t.Errorf("subprotocol %q", connection.Subprotocol())
		}
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			sent := strings.Repeat("x", size)
			if err := connection.WriteMessage(websocket.TextMessage, []byte(sent)); err != nil {
				t.Fatal(err)
			}
			kind, data, err := connection.ReadMessage()
			if kind != websocket.TextMessage || string(data) != sent || err != nil {
				t.Fatalf("%d bytes came back as %d of kind %d, %v", size, len(data), kind, err)
			}
		}
	})
}

func TestDeclined(t *testing.T) {
	url := serve(t, gorilla.Upgrader{}, echo)
	each(t, func(t *testing.T, c client) {
		if got := dial(t, c, url, "json").Subprotocol(); got != "" {
			t.Errorf("subprotocol %q", got)
		}
	})
}

func TestCloseFromTheServer(t *testing.T) {
	for _, sent := range []struct {
		payload []byte
		code    int
		text    string
	}{
		{gorilla.FormatCloseMessage(1000, ""), 1000, ""},
		{gorilla.FormatCloseMessage(1001, "bye"), 1001, "bye"},
		{gorilla.FormatCloseMessage(4999, "\u00e9"), 4999, "\u00e9"},
		{nil, 1005, ""},
	} {
		answer := make(chan error, 1)
		url := serve(t, gorilla.Upgrader{}, func(c *gorilla.Conn) {
			c.WriteMessage(gorilla.CloseMessage, sent.payload)
			_, _, err := c.ReadMessage()
			answer <- err
		})
		each(t, func(t *testing.T, c client) {
			_, _, err := dial(t, c, url).ReadMessage()
			if code, text, ok := c.closed(err); !ok || code != sent.code || text != sent.text {
				t.Errorf("%#v", err)
			}
			if e, ok := (<-answer).(*gorilla.CloseError); !ok || e.Code != sent.code {
				t.Errorf("the server was answered %v", e)
			}
		})
	}
}

func TestCloseFromTheClient(t *testing.T) {
	seen := make(chan error, 1)
	url := serve(t, gorilla.Upgrader{}, func(c *gorilla.Conn) {
		_, _, err := c.ReadMessage()
		seen <- err
	})
	each(t, func(t *testing.T, c client) {
		connection := dial(t, c, url)
		if err := connection.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "mine")); err != nil {
			t.Fatal(err)
		}
		_, _, err := connection.ReadMessage()
		if code, _, ok := c.closed(err); !ok || code != 4000 {
			t.Errorf("%#v", err)
		}
		if e, ok := (<-seen).(*gorilla.CloseError); !ok || e.Code != 4000 || e.Text != "mine" {
			t.Errorf("the server saw %v", e)
		}
		if err := connection.WriteMessage(websocket.TextMessage, nil); err == nil || err.Error() != "websocket: close sent" {
			t.Errorf("write after close: %v", err)
		}
	})
}

func TestLostConnection(t *testing.T) {
	url := serve(t, gorilla.Upgrader{}, func(*gorilla.Conn) {})
	each(t, func(t *testing.T, c client) {
		_, _, err := dial(t, c, url).ReadMessage()
		if code, text, ok := c.closed(err); !ok || code != 1006 || text != "unexpected EOF" {
			t.Errorf("%#v", err)
		}
	})
}

func TestReadLimit(t *testing.T) {
	seen := make(chan error, 1)
	url := serve(t, gorilla.Upgrader{}, func(c *gorilla.Conn) {
		c.WriteMessage(gorilla.BinaryMessage, make([]byte, 1000))
		_, _, err := c.ReadMessage()
		seen <- err
	})
	each(t, func(t *testing.T, c client) {
		connection := dial(t, c, url)
		connection.SetReadLimit(999)
		if _, _, err := connection.ReadMessage(); err != c.limited {
			t.Errorf("%#v", err)
		}
		if e, ok := (<-seen).(*gorilla.CloseError); !ok || e.Code != 1009 {
			t.Errorf("the server saw %v", e)
		}
	})
}

func TestRejected(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Why", "a reason")
		http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer server.Close()
	each(t, func(t *testing.T, c client) {
		url := "ws" + strings.TrimPrefix(server.URL, "http")
		_, resp, err := c.dial(url, nil, http.Header{"Authorization": {"Bearer x"}})
		if err != c.rejected || resp == nil {
			t.Fatalf("%v %#v", resp, err)
		}
		body := make([]byte, 100)
		n, _ := resp.Body.Read(body)
		if resp.Status != "403 Forbidden" || resp.Header.Get("x-why") != "a reason" || string(body[:n]) != "Bearer x\n" {
			t.Errorf("%s %v %q", resp.Status, resp.Header, body[:n])
		}
	})
}

func TestPingsAreAnsweredWhileReading(t *testing.T) {
	const pings = 20
	url := serve(t, gorilla.Upgrader{}, func(c *gorilla.Conn) {
		pongs := 0
		c.SetPongHandler(func(payload string) error {
			if payload != fmt.Sprint(pongs) {
				return errors.New("a pong with another payload")
			}
			if pongs++; pongs == pings {
				return c.WriteMessage(gorilla.TextMessage, []byte("all"))
			}
			return c.WriteControl(gorilla.PingMessage, []byte(fmt.Sprint(pongs)), time.Now().Add(10*time.Second))
		})
		c.WriteControl(gorilla.PingMessage, []byte("0"), time.Now().Add(10*time.Second))
		c.ReadMessage()
	})
	each(t, func(t *testing.T, c client) {
		if _, data, err := dial(t, c, url).ReadMessage(); string(data) != "all" || err != nil {
			t.Errorf("%q %v", data, err)
		}
	})
}
