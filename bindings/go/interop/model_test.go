package interop

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	websocket "github.com/wsdial/wsdial/bindings/go"
)

func TestConstantsAreTheModels(t *testing.T) {
	for name, pair := range map[string][2]int{
		"CloseNormalClosure":           {websocket.CloseNormalClosure, gorilla.CloseNormalClosure},
		"CloseGoingAway":               {websocket.CloseGoingAway, gorilla.CloseGoingAway},
		"CloseProtocolError":           {websocket.CloseProtocolError, gorilla.CloseProtocolError},
		"CloseUnsupportedData":         {websocket.CloseUnsupportedData, gorilla.CloseUnsupportedData},
		"CloseNoStatusReceived":        {websocket.CloseNoStatusReceived, gorilla.CloseNoStatusReceived},
		"CloseAbnormalClosure":         {websocket.CloseAbnormalClosure, gorilla.CloseAbnormalClosure},
		"CloseInvalidFramePayloadData": {websocket.CloseInvalidFramePayloadData, gorilla.CloseInvalidFramePayloadData},
		"ClosePolicyViolation":         {websocket.ClosePolicyViolation, gorilla.ClosePolicyViolation},
		"CloseMessageTooBig":           {websocket.CloseMessageTooBig, gorilla.CloseMessageTooBig},
		"CloseMandatoryExtension":      {websocket.CloseMandatoryExtension, gorilla.CloseMandatoryExtension},
		"CloseInternalServerErr":       {websocket.CloseInternalServerErr, gorilla.CloseInternalServerErr},
		"CloseServiceRestart":          {websocket.CloseServiceRestart, gorilla.CloseServiceRestart},
		"CloseTryAgainLater":           {websocket.CloseTryAgainLater, gorilla.CloseTryAgainLater},
		"CloseTLSHandshake":            {websocket.CloseTLSHandshake, gorilla.CloseTLSHandshake},
		"TextMessage":                  {websocket.TextMessage, gorilla.TextMessage},
		"BinaryMessage":                {websocket.BinaryMessage, gorilla.BinaryMessage},
		"CloseMessage":                 {websocket.CloseMessage, gorilla.CloseMessage},
		"PingMessage":                  {websocket.PingMessage, gorilla.PingMessage},
		"PongMessage":                  {websocket.PongMessage, gorilla.PongMessage},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %d and not %d", name, pair[0], pair[1])
		}
	}
}

func TestErrorsReadLikeTheModels(t *testing.T) {
	for code := 999; code < 1020; code++ {
		for _, text := range []string{"", "why"} {
			ours, theirs := &websocket.CloseError{Code: code, Text: text}, &gorilla.CloseError{Code: code, Text: text}
			if ours.Error() != theirs.Error() {
				t.Errorf("%q is not %q", ours, theirs)
			}
			if string(websocket.FormatCloseMessage(code, text)) != string(gorilla.FormatCloseMessage(code, text)) {
				t.Errorf("FormatCloseMessage(%d, %q)", code, text)
			}
			for _, codes := range [][]int{nil, {1000}, {1000, 1001, 1006}} {
				if websocket.IsCloseError(ours, codes...) != gorilla.IsCloseError(theirs, codes...) ||
					websocket.IsUnexpectedCloseError(ours, codes...) != gorilla.IsUnexpectedCloseError(theirs, codes...) {
					t.Errorf("%v among %v", ours, codes)
				}
			}
		}
	}
	if websocket.IsCloseError(io.EOF, 1006) || websocket.IsUnexpectedCloseError(io.EOF, 1000) {
		t.Error("io.EOF is a close")
	}
	for _, pair := range [][2]error{
		{websocket.ErrBadHandshake, gorilla.ErrBadHandshake}, {websocket.ErrCloseSent, gorilla.ErrCloseSent},
		{websocket.ErrReadLimit, gorilla.ErrReadLimit},
	} {
		if pair[0].Error() != pair[1].Error() {
			t.Errorf("%q is not %q", pair[0], pair[1])
		}
	}
}

// What comes compressed is less than what was sent, and EnableWriteCompression and SetCompressionLevel change that.
func TestCompression(t *testing.T) {
	sizes := make(chan int64, 1)
	url := serve(t, gorilla.Upgrader{EnableCompression: true}, func(c *gorilla.Conn) {
		counted := &countingConn{Conn: c}
		for {
			kind, data, err := counted.ReadMessage()
			if err != nil {
				return
			}
			sizes <- int64(len(data))
			if c.WriteMessage(kind, data) != nil {
				return
			}
		}
	})
	c, resp, err := (&websocket.Dialer{EnableCompression: true}).Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !strings.HasPrefix(resp.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate") {
		t.Fatalf("%v", resp.Header)
	}
	sent := []byte(strings.Repeat("compressible ", 1000))
	for _, step := range []func(){
		func() {}, func() { c.EnableWriteCompression(false) }, func() { c.EnableWriteCompression(true) },
		func() { c.SetCompressionLevel(9) }, func() { c.SetCompressionLevel(0) }, func() { c.SetCompressionLevel(-2) },
	} {
		step()
		if err := c.WriteMessage(websocket.TextMessage, sent); err != nil {
			t.Fatal(err)
		}
		if size := <-sizes; size != int64(len(sent)) {
			t.Fatalf("the server received %d bytes", size)
		}
		if _, got, err := c.ReadMessage(); string(got) != string(sent) || err != nil {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	for _, level := range []int{-3, 10} {
		ours, theirs := c.SetCompressionLevel(level), (&gorilla.Conn{}).SetCompressionLevel(level)
		if ours == nil || ours.Error() != theirs.Error() {
			t.Errorf("level %d: %v, and the model %v", level, ours, theirs)
		}
	}
	// A server that declines is no error, as in the model.
	plain := serve(t, gorilla.Upgrader{}, echo)
	c, _, err = (&websocket.Dialer{EnableCompression: true}).Dial(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.EnableWriteCompression(true)
	c.Close()
}

type countingConn struct{ *gorilla.Conn }

// Both clients stream to and from the same server, and say the same.
func TestStreaming(t *testing.T) {
	url := serve(t, gorilla.Upgrader{}, echo)
	sent := strings.Repeat("0123456789", 100000)
	for name, dial := range map[string]func() (streamer, error){
		"wsdial":  func() (streamer, error) { c, _, err := websocket.DefaultDialer.Dial(url, nil); return c, err },
		"gorilla": func() (streamer, error) { c, _, err := gorilla.DefaultDialer.Dial(url, nil); return c, err },
	} {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range []string{sent[:1], sent[1:5000], "", sent[5000:]} {
			if _, err := io.WriteString(w, piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, after := w.Write([]byte("x"))
		if fmt.Sprint(after, w.Close()) != "websocket: write closed websocket: write closed" {
			t.Errorf("%s: a closed writer says %v", name, after)
		}
		kind, r, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if kind != websocket.TextMessage || string(got) != sent || err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if _, err := c.NextWriter(3); err == nil {
			t.Errorf("%s: kind 3", name)
		}
		c.Close()
	}
}

type streamer interface {
	NextReader() (int, io.Reader, error)
	NextWriter(int) (io.WriteCloser, error)
	Close() error
}

// The handlers of both get the same, and the read that follows says the same.
func TestHandlers(t *testing.T) {
	url := serve(t, gorilla.Upgrader{}, func(c *gorilla.Conn) {
		by := time.Now().Add(5 * time.Second)
		c.WriteControl(gorilla.PingMessage, []byte("p"), by)
		c.WriteControl(gorilla.PongMessage, []byte("o"), by)
		c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4000, "bye"), by)
		c.ReadMessage()
	})
	for _, header := range []http.Header{nil} {
		seen := map[string]string{}
		for name, dial := range map[string]func() (handled, error){
			"wsdial":  func() (handled, error) { c, _, err := websocket.DefaultDialer.Dial(url, header); return c, err },
			"gorilla": func() (handled, error) { c, _, err := gorilla.DefaultDialer.Dial(url, header); return c, err },
		} {
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			c.SetPingHandler(func(s string) error { text += "ping " + s + ", "; return nil })
			c.SetPongHandler(func(s string) error { text += "pong " + s + ", "; return nil })
			c.SetCloseHandler(func(code int, s string) error { text += fmt.Sprint("close ", code, s, ", "); return nil })
			_, _, err = c.ReadMessage()
			seen[name] = text + err.Error()
			c.Close()
		}
		if seen["wsdial"] != seen["gorilla"] {
			t.Errorf("%q is not %q", seen["wsdial"], seen["gorilla"])
		}
	}
}

type handled interface {
	SetPingHandler(func(string) error)
	SetPongHandler(func(string) error)
	SetCloseHandler(func(int, string) error)
	ReadMessage() (int, []byte, error)
	Close() error
}
