//go:build cgo

package websocket

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

const (
	kitBlock = 64 << 10 // a piece of a message
	kitLarge = 1 << 20  // more memory than that stays in no pool
	kitOut   = 16 << 10 // output up to here is taken in the crossing that made it
)

// kit is what a reader needs while something is to be read: it comes from a pool and goes back before the reader waits,
// so that an idle connection holds none.
type kit struct {
	batch *C.ws_batch
	block []byte // for pieces
	next  int    // of the batch
	count int
	grown bool // the batch's memory is large
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
		return &kit{batch: (*C.ws_batch)(C.calloc(1, C.sizeof_ws_batch))}
	}
}

func (k *kit) giveBack() {
	k.next, k.count = 0, 0
	if k.grown {
		k.grown = false
		C.ws_batch_free(k.batch) // it may be used again
	}
	select {
	case kits <- k:
	default:
		C.ws_batch_free(k.batch)
		C.free(unsafe.Pointer(k.batch))
	}
}

// holdsMessage tells whether a message waits in the kit.
func (k *kit) holdsMessage() bool { return k.next < k.count }

// begin makes the kit ready for the batch that C just filled. It answers how long the message is that came alone.
func (k *kit) begin() (alone int) {
	k.next, k.count = 0, int(k.batch.count)
	if k.count == 1 {
		ends := unsafe.Slice(k.batch.offsets, 2)
		k.grown = k.grown || ends[1] > kitLarge
		alone = int(ends[1])
	}
	return alone
}

// peek shows the next message where it lies, until the kit is used again.
func (k *kit) peek() (kind int, data []byte) {
	kind = int(*(*byte)(unsafe.Add(unsafe.Pointer(k.batch.kinds), k.next)))
	bounds := (*[2]C.size_t)(unsafe.Add(unsafe.Pointer(k.batch.offsets), k.next*C.sizeof_size_t))
	begin, end := bounds[0], bounds[1]
	if begin == end {
		return kind, []byte{}
	}
	return kind, unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(k.batch.data), begin)), int(end-begin))
}

// drop takes off the message that peek showed.
func (k *kit) drop() { k.next++ }

// room is memory for a piece.
func (k *kit) room() []byte {
	if k.block == nil {
		k.block = make([]byte, kitBlock)
	}
	return k.block
}

// output is a buffer that what is to be written is copied into.
type output = [kitOut]byte

var outputs = sync.Pool{New: func() any { return new(output) }}

func takeOutput() *output  { return outputs.Get().(*output) }
func giveOutput(b *output) { outputs.Put(b) }
