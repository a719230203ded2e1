/* What the Go package calls: a few functions of wsdial.h in one, as each crossing from Go to C costs as much as decoding a
 * message. Nothing here waits, keeps a pointer, or holds state of its own. */
#ifndef WSGO_BRIDGE_H
#define WSGO_BRIDGE_H

#include <stddef.h>
#include <stdint.h>
#include "wsdial.h"

/* How it stands behind a receiving call. */
typedef struct wsgo_state {
    int wants;
    int ending;    /* the end has been met, and what it leads to must be written before it is told */
    size_t direct; /* so much payload may be read straight into the receiver's memory; told where nothing came */
} wsgo_state;

/* Bytes to be written: copied into the caller's buffer and taken, or, too many for it, lent until ws_output_done. */
typedef struct wsgo_output {
    size_t copied;
    const void *lent;
    size_t lent_len;
    int more; /* something is left that is not shown */
} wsgo_output;

/* Bytes that came from the peer, and whether that was all. Answers WS_OK, or a failure. */
int wsgo_feed(ws_conn *conn, const void *data, size_t len, int ended, ws_error **error);

/* wsgo_feed, then what is whole by now. */
int wsgo_recv(ws_conn *conn, const void *data, size_t len, int ended, ws_batch *batch, wsgo_state *state, ws_error **error);

/* What one read from a socket brought. */
typedef struct wsgo_arrival {
    int got;      /* 1: something, 0: the end, -1: nothing, and os_error says why */
    int os_error;
    int drained;  /* nothing more is to be read now, the end apart */
    int result;   /* of receiving it */
    wsgo_state state;
    ws_error *error;
} wsgo_arrival;

/* One read from a non-blocking socket straight into C's memory, at most most bytes unless that is 0; then, where there is a
 * batch, what is whole by now. */
void wsgo_read(ws_conn *conn, int fd, size_t most, ws_batch *batch, wsgo_arrival *arrival);

/* One piece of a message, in the caller's block. */
typedef struct wsgo_piece {
    size_t len;
    int kind, is_final;
} wsgo_piece;

/* wsgo_feed, then the next piece of a message. */
int wsgo_recv_piece(ws_conn *conn, const void *data, size_t len, int ended, void *block, size_t room, wsgo_piece *piece,
                    wsgo_state *state, ws_error **error);

/* What wsgo_land has brought. */
typedef struct wsgo_landing {
    size_t len;
    int kind, is_final;
    int control; /* 0, or the kind of a control frame whose payload lies behind the piece */
    size_t control_len;
} wsgo_landing;

/* With less room than this a piece need not come. */
enum { LEAST_LANDING = 128 };

/* Brings the pieces of a message to memory of the caller's: what C has of it, or, if fd is not -1 and C has nothing, what a
 * non-blocking socket has; header_read bytes of it at most while no payload is awaited. Until the message is whole, or the
 * room is used, or nothing is there, or a control frame is met. likely is 0 or the most likely length of the message: one of
 * that length is read at once. The address is a number as in wsgo_send_now. */
void wsgo_land(ws_conn *conn, int fd, size_t header_read, size_t likely, int ended, uintptr_t address, size_t room,
               wsgo_landing *landing, wsgo_arrival *arrival);

/* Sends a fragment of a message and shows what is to be written. */
int wsgo_send_fragment(ws_conn *conn, int kind, const void *data, size_t len, int is_final, void *buffer, size_t room,
                       wsgo_output *output, ws_error **error);

/* Sends a message or a control frame and shows what is to be written. */
int wsgo_send(ws_conn *conn, int kind, const void *data, size_t len, void *buffer, size_t room, wsgo_output *output,
              ws_error **error);

/* How wsgo_send_now went: its answer, and what is left to be written: rest, to be freed, of which there was no memory for
 * when it is NULL and rest_len is not 0; and, behind it, if left says so, what wsgo_output_next shows. */
typedef struct wsgo_sent {
    int result, left;
    void *rest;
    size_t rest_len;
    ws_error *error;
} wsgo_sent;

/* wsgo_send of a message that is not large, and a write of it to a non-blocking socket. A failure of the socket leaves all of it. The
 * addresses are numbers because cgo's look at pointers costs as much as masking; the caller keeps both alive. */
void wsgo_send_now(ws_conn *conn, int fd, int kind, uintptr_t data, size_t len, uintptr_t answer);

/* Takes off done bytes of what was lent and shows what is to be written. */
int wsgo_output_next(ws_conn *conn, size_t done, void *buffer, size_t room, wsgo_output *output, ws_error **error);

/* wsgo_feed, then the handshake, then what is to be written. */
int wsgo_handshake(ws_conn *conn, const void *data, size_t len, int ended, void *buffer, size_t room,
                   wsgo_output *output, ws_error **error);

#endif
