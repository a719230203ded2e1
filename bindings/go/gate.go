//go:build cgo

package websocket

import "sync/atomic"

// gate lets one in at a time. It costs two atomic steps where nobody waits, and a channel only where somebody does, so that
// a wait can be given up.
type gate struct {
	state atomic.Int32 // free, taken, or awaited: taken, and perhaps somebody waits
	wake  atomic.Pointer[chan struct{}]
}

const (
	free = iota
	taken
	awaited
)

// try goes in if nobody is.
func (g *gate) try() bool { return g.state.CompareAndSwap(free, taken) }

// waits says that somebody waits; true: that one is in, else leave puts something into the channel of turn, and it is to
// be asked again.
func (g *gate) waits() bool { return g.state.Swap(awaited) == free }

// turn is what a waiter waits for. Something may be in it that was for one who has given up.
func (g *gate) turn() <-chan struct{} { return g.channel() }

func (g *gate) channel() chan struct{} {
	if g.wake.Load() == nil {
		channel := make(chan struct{}, 1)
		g.wake.CompareAndSwap(nil, &channel)
	}
	return *g.wake.Load()
}

// leave goes out, and wakes one who waits.
func (g *gate) leave() {
	if g.state.Swap(free) == awaited {
		select {
		case g.channel() <- struct{}{}:
		default:
		}
	}
}
