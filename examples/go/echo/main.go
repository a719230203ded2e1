// The echo client of gorilla's examples, in our words: sends the time each second, prints what comes back, and on Ctrl-C
// says goodbye and waits for the server to do the same. usage: echo [-url ws://localhost:12345]
package main

import (
	"flag"
	"log"
	"os"
	"os/signal"
	"time"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

func main() {
	url := flag.String("url", "ws://localhost:12345", "address of an echo server")
	flag.Parse()
	log.SetFlags(0)

	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)

	log.Printf("connecting to %s", *url)
	c, _, err := websocket.DefaultDialer.Dial(*url, nil)
	if err != nil {
		log.Fatal("dial: ", err)
	}
	defer c.Close()

	readerEnded := make(chan struct{})
	go func() {
		defer close(readerEnded)
		for {
			_, message, err := c.ReadMessage()
			if err != nil {
				log.Println("read:", err)
				return
			}
			log.Printf("received: %s", message)
		}
	}()

	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-readerEnded:
			return
		case now := <-ticker.C:
			if err := c.WriteMessage(websocket.TextMessage, []byte(now.String())); err != nil {
				log.Println("write:", err)
				return
			}
		case <-interrupt:
			log.Println("interrupted")
			// The server answers with a close frame of its own, which ends the reader.
			goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			if err := c.WriteMessage(websocket.CloseMessage, goodbye); err != nil {
				log.Println("write close:", err)
				return
			}
			select {
			case <-readerEnded:
			case <-time.After(time.Second):
			}
			return
		}
	}
}
