//go:build cgo

package websocket

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many go in and out, some give up, some only try: never two are in, and nobody is forgotten.
func TestGate(t *testing.T) {
	var g gate
	var inside, entries atomic.Int32
	in := func() {
		if inside.Add(1) != 1 {
			t.Error("two are in")
		}
		entries.Add(1)
		inside.Add(-1)
		g.leave()
	}
	within(t, "the crowd at the gate", func() {
		var group sync.WaitGroup
		for i := range 16 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 2000 {
					if g.try() {
						in()
						continue
					}
					if i%4 == 0 {
						continue
					}
					turn, patience := g.turn(), time.Hour
					if i%4 == 1 {
						patience = rand.N(20 * time.Microsecond)
					}
					timer := time.NewTimer(patience)
					for gaveUp := false; !gaveUp; {
						if g.waits() {
							in()
							break
						}
						select {
						case <-turn:
						case <-timer.C:
							gaveUp = true
						}
					}
					timer.Stop()
				}
			}()
		}
		group.Wait()
	})
	if !g.try() || entries.Load() < 16000 {
		t.Errorf("%d went in", entries.Load())
	}
}
