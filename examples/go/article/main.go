// The program that taught us what a dialer is: a reader, a ticker, and a clean end on Ctrl-C. It is written for gorilla's
// package and runs on this one with nothing but the import line changed. usage: article [url]
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	url := "ws://localhost:12345"
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	dialer := websocket.Dialer{}
	dialer.Subprotocols = []string{"json"}
	c, resp, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		fmt.Printf("dial: %#v\n", err)
		os.Exit(1)
	}
	defer c.Close()
	fmt.Printf("upgraded: %s\n", resp.Status)
	fmt.Printf("negotiated protocol: %q\n", c.Subprotocol())

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			_, message, err := c.ReadMessage()
			if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				fmt.Println("closed cleanly: 1000")
				return
			}
			if err != nil {
				fmt.Printf("read: %#v\n", err)
				return
			}
			fmt.Printf("received: %s\n", message)
		}
	}()

	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			if err := c.WriteMessage(websocket.TextMessage, []byte(now.Format(time.RFC3339Nano))); err != nil {
				fmt.Printf("write: %#v\n", err)
				return
			}
		case <-ended:
			return
		case <-ctx.Done():
			goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			if err := c.WriteMessage(websocket.CloseMessage, goodbye); err != nil {
				fmt.Printf("close: %#v\n", err)
				return
			}
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
			}
			return
		}
	}
}
