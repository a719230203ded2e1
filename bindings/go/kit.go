//go:build cgo

package websocket

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"runtime"
	"unsafe"
)

const (
	kitIn    = 64 << 10 // what one read from the socket brings at the most
	kitBlock = 64 << 10 // small messages of one crossing
	kitLarge = 1 << 20  // more memory than that stays in no pool
	kitOut   = 16 << 10 // output up to here is taken in the crossing that made it
)

// kit is what a reader needs while something is to be read: it comes from a pool and goes back before the reader waits,
// so that an idle connection holds none.
type kit struct {
	message *C.ws_message
	in      []byte
	block   []byte
	batch   C.wsgo_batch
	next    int
	start   uint32
	grown   bool // the message's memory is large
}

// kits are few: one for each reader that is at work at the same time. A channel, not a sync.Pool, as C's memory has to
// be freed.
var kits = make(chan *kit, 4*runtime.GOMAXPROCS(0)+4)

func takeKit() *kit {
	select {
	case k := <-kits:
		return k
	default:
		// C's own zeroed memory, so that no pointer into Go's is ever held by C. calloc does not fail under cgo.
		return &kit{
			message: (*C.ws_message)(C.calloc(1, C.sizeof_ws_message)),
			in:      make([]byte, kitIn),
			block:   make([]byte, kitBlock),
		}
	}
}

func (k *kit) giveBack() {
	k.batch.count, k.batch.has_long, k.next = 0, 0, 0
	if k.grown {
		k.grown = false
		C.ws_message_free(k.message) // it may be used again
	}
	select {
	case kits <- k:
	default:
		C.ws_message_free(k.message)
		C.free(unsafe.Pointer(k.message))
	}
}

// holdsMessage tells whether a message waits in the kit.
func (k *kit) holdsMessage() bool { return k.next < int(k.batch.count) || k.batch.has_long != 0 }

// begin makes the kit ready for the batch that C just filled.
func (k *kit) begin() {
	k.next, k.start = 0, 0
	k.grown = k.grown || (k.batch.has_long != 0 && k.message.len > kitLarge)
}

// peek shows the next message where it lies, until the kit is used again.
func (k *kit) peek() (kind int, data []byte) {
	if k.next < int(k.batch.count) {
		end := uint32(k.batch.ends[k.next])
		return int(k.batch.kinds[k.next]), k.block[k.start:end]
	}
	return int(k.message.kind), unsafe.Slice((*byte)(unsafe.Pointer(k.message.data)), int(k.message.len))
}

// drop takes off the message that peek showed.
func (k *kit) drop() {
	if k.next < int(k.batch.count) {
		k.start = uint32(k.batch.ends[k.next])
		k.next++
		return
	}
	k.batch.has_long = 0
}

// output is a buffer that what is to be written is copied into, from a pool as well.
var outputs = make(chan *[kitOut]byte, 4*runtime.GOMAXPROCS(0)+4)

func takeOutput() *[kitOut]byte {
	select {
	case b := <-outputs:
		return b
	default:
		return new([kitOut]byte)
	}
}

func giveOutput(b *[kitOut]byte) {
	select {
	case outputs <- b:
	default:
	}
}
