//go:build cgo

package websocket_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

// An echo server, which the tests start.
func address() string { return os.Getenv("WSDIAL_EXAMPLE_URL") }

func Example() {
	dialer := websocket.Dialer{Subprotocols: []string{"json"}}
	c, _, err := dialer.DialContext(context.Background(), address(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Printf("negotiated protocol: %q\n", c.Subprotocol())

	c.WriteMessage(websocket.TextMessage, []byte("hello"))
	_, message, err := c.ReadMessage()
	fmt.Printf("received: %s, %v\n", message, err)

	// The close handshake: our close frame goes out, and reading goes on until the server's comes.
	c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	_, _, err = c.ReadMessage()
	fmt.Println(err)
	// Output:
	// negotiated protocol: "json"
	// received: hello, <nil>
	// websocket: close 1000 (normal)
}

func ExampleConn_ReadContext() {
	c, _, err := websocket.DefaultDialer.Dial(address(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, _, err = c.ReadContext(ctx)
	fmt.Println(err)

	// The connection lives on.
	c.WriteMessage(websocket.TextMessage, []byte("still here"))
	_, message, err := c.ReadMessage()
	fmt.Printf("%s, %v\n", message, err)
	// Output:
	// context deadline exceeded
	// still here, <nil>
}

func ExampleConn_Messages() {
	c, _, err := websocket.DefaultDialer.Dial(address(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, text := range []string{"one", "two"} {
		c.WriteMessage(websocket.TextMessage, []byte(text))
	}
	c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	for message, err := range c.Messages(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", message.Data)
	}
	// Output:
	// one
	// two
}

func ExampleConn_NextWriter() {
	c, _, err := websocket.DefaultDialer.Dial(address(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	w, _ := c.NextWriter(websocket.TextMessage)
	io.Copy(w, strings.NewReader("as it comes"))
	w.Close()
	_, r, err := c.NextReader()
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(os.Stdout, r)
	// Output: as it comes
}

func ExampleHandshakeReason() {
	dialer := websocket.Dialer{HandshakeTimeout: 5 * time.Second}
	_, resp, err := dialer.Dial(os.Getenv("WSDIAL_EXAMPLE_NO"), nil)
	fmt.Println(err == websocket.ErrBadHandshake, resp.Status)
	// Output: true 404 Not Found
}
