#include "bridge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const wsgo_output nothing;

/* What one call brings at the most: it has to be kept while the program looks at it. */
enum { BATCH_BYTES = 256 * 1024, BATCH_MESSAGES = 4096 };

/* More than this is not read on a guess: C would not take it all at once after a wrong one. */
enum { MOST_LIKELY = 96 * 1024 };

/* A message up to here is framed on the stack, with the longest header before it. */
enum { NOW = 1024, NOW_ROOM = NOW + 14 };

int wsgo_feed(ws_conn *conn, const void *data, size_t len, int ended, ws_error **error)
{
    const char *from = data;

    *error = NULL;
    while (len > 0) {
        size_t room = 0;
        void *to = ws_input(conn, &room);
        int result;

        if (!to) {
            break; /* the end has been met: nothing that comes behind it counts */
        }
        room = room < len ? room : len;
        memcpy(to, from, room);
        result = ws_input_done(conn, room, error);
        if (result != WS_OK) {
            return result;
        }
        from += room;
        len -= room;
    }
    return ended ? ws_input_done(conn, 0, error) : WS_OK;
}

/* What a receiver has to know of the connection behind its call. */
static void stands(const ws_conn *conn, int result, wsgo_state *state)
{
    state->wants = ws_wants(conn);
    state->ending = result == WS_AGAIN && (state->wants & WS_WANT_WRITE) && ws_close_code(conn) != 0;
    state->direct = result == WS_AGAIN ? ws_input_direct(conn) : 0;
}

int wsgo_recv_piece(ws_conn *conn, const void *data, size_t len, int ended, void *block, size_t room, wsgo_piece *piece,
                    wsgo_state *state, ws_error **error)
{
    int result = wsgo_feed(conn, data, len, ended, error);

    piece->len = 0;
    if (result == WS_OK) {
        result = ws_recv_into(conn, WS_NOWAIT, block, room, &piece->len, &piece->kind, &piece->is_final, error);
    }
    stands(conn, result, state);
    return result;
}

int wsgo_recv(ws_conn *conn, const void *data, size_t len, int ended, ws_batch *batch, wsgo_state *state, ws_error **error)
{
    int result = wsgo_feed(conn, data, len, ended, error);

    if (result == WS_OK) {
        result = ws_recv_batch(conn, WS_NOWAIT, BATCH_BYTES, BATCH_MESSAGES, batch, error);
    }
    stands(conn, result, state);
    return result;
}

/* A read that brought nothing. Only that tells that the socket is empty: behind a short read its end may lie. */
static void met_end(ssize_t n, wsgo_arrival *arrival)
{
    arrival->got = (int)n;
    arrival->os_error = n < 0 ? errno : 0;
    arrival->drained = 1;
}

static ssize_t read_now(int fd, void *to, size_t room, wsgo_arrival *arrival)
{
    ssize_t n;

    do {
        n = recv(fd, to, room, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        met_end(n, arrival);
    }
    return n;
}

/* One read into C's memory. Whether anything is to be received: it may have been before. */
static int read_once(ws_conn *conn, int fd, size_t most, wsgo_arrival *arrival)
{
    size_t room = 0;
    void *to = ws_input(conn, &room);
    ssize_t n;

    if (!to) {
        arrival->drained = 1; /* nothing more is to be read */
        return 1;
    }
    n = read_now(fd, to, most > 0 && most < room ? most : room, arrival);
    if (n <= 0) {
        ws_input(conn, NULL);
        return 0;
    }
    arrival->result = ws_input_done(conn, (size_t)n, &arrival->error);
    return arrival->result == WS_OK;
}

void wsgo_read(ws_conn *conn, int fd, size_t most, ws_batch *batch, wsgo_arrival *arrival)
{
    memset(arrival, 0, sizeof *arrival);
    arrival->got = 1;
    if (read_once(conn, fd, most, arrival) && batch) {
        arrival->result = ws_recv_batch(conn, WS_NOWAIT, BATCH_BYTES, BATCH_MESSAGES, batch, &arrival->error);
    }
    stands(conn, arrival->result, &arrival->state);
}

/* The next piece, behind what was brought before. */
static int take_piece(ws_conn *conn, char *to, size_t room, wsgo_landing *landing, ws_error **error)
{
    size_t len;
    int kind, is_final;
    int result = ws_recv_into(conn, WS_NOWAIT, to + landing->len, room - landing->len, &len, &kind, &is_final, error);

    if (result != WS_OK) {
        return result;
    }
    if (kind >= WS_CLOSE) {
        landing->control = kind;
        landing->control_len = len;
    } else {
        landing->kind = kind;
        landing->len += len;
        landing->is_final = is_final;
    }
    return WS_OK;
}

/* Takes n bytes of payload that are where they belong. */
static void take_direct(ws_conn *conn, char *to, size_t n, wsgo_landing *landing, wsgo_arrival *arrival)
{
    arrival->result =
        ws_input_direct_done(conn, to + landing->len, n, &landing->kind, &landing->is_final, &arrival->error);
    landing->len += arrival->result == WS_OK ? n : 0;
}

/* Header and payload in one read: a header as long as a message of the likely length has goes to C, what is behind it to where
 * it belongs. After a wrong guess all of it goes to C. Whether anything came. */
static int read_likely(ws_conn *conn, int fd, char *to, size_t likely, wsgo_landing *landing, wsgo_arrival *arrival)
{
    char header[10], beginning[LEAST_LANDING];
    size_t size = likely > 0xffff ? 10 : 4, direct, n;
    struct iovec into[2] = { { header, size }, { to, likely } };
    struct msghdr message = { .msg_iov = into, .msg_iovlen = 2 };
    wsgo_landing first = { 0 };
    ssize_t got;

    do {
        got = recvmsg(fd, &message, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        met_end(got, arrival);
        return 0;
    }
    n = (size_t)got;
    size = n < size ? n : size;
    n -= size;
    arrival->result = wsgo_feed(conn, header, size, 0, &arrival->error);
    if (arrival->result != WS_OK) {
        return 1;
    }
    arrival->result = take_piece(conn, beginning, sizeof beginning, &first, &arrival->error);
    direct = arrival->result == WS_AGAIN ? ws_input_direct(conn) : 0;
    if (direct > 0 && n > 0) {
        size = direct < n ? direct : n;
        take_direct(conn, to, size, landing, arrival);
        to += size;
        n -= size;
    }
    if (arrival->result >= 0 && n > 0) {
        arrival->result = wsgo_feed(conn, to, n, 0, &arrival->error);
    }
    if (landing->len == 0) {
        memcpy(to, beginning, first.len + first.control_len);
        *landing = first;
    }
    return 1;
}

/* What the socket has: payload to where it belongs, all else to C. Whether anything came. */
static int read_piece(ws_conn *conn, int fd, size_t header_read, size_t likely, char *to, size_t room,
                      wsgo_landing *landing, wsgo_arrival *arrival)
{
    size_t direct = ws_input_direct(conn), left = room - landing->len;
    ssize_t n;

    if (direct == 0 && likely > 0 && likely <= MOST_LIKELY && likely <= left && landing->len == 0) {
        return read_likely(conn, fd, to, likely, landing, arrival);
    }
    if (direct == 0 || left == 0) {
        return read_once(conn, fd, header_read, arrival);
    }
    n = read_now(fd, to + landing->len, left < direct ? left : direct, arrival);
    if (n <= 0) {
        return 0;
    }
    take_direct(conn, to, (size_t)n, landing, arrival);
    return 1;
}

void wsgo_land(ws_conn *conn, int fd, size_t header_read, size_t likely, int ended, uintptr_t address, size_t room,
               wsgo_landing *landing, wsgo_arrival *arrival)
{
    char *to = (char *)address;
    int came = 0;

    memset(landing, 0, sizeof *landing);
    memset(arrival, 0, sizeof *arrival);
    arrival->got = 1;
    arrival->result = wsgo_feed(conn, NULL, 0, ended, &arrival->error);
    if (arrival->result == WS_OK && fd >= 0) {
        arrival->result = WS_AGAIN;
    }
    for (;;) {
        while (arrival->result == WS_AGAIN && fd >= 0 && landing->len < room && !arrival->drained) {
            arrival->result = WS_OK;
            if (!read_piece(conn, fd, header_read, likely, to, room, landing, arrival)) {
                arrival->result = WS_AGAIN;
                arrival->got = came ? 1 : arrival->got; /* the next call meets it again */
                break;
            }
            came = 1;
            if (arrival->result == WS_OK && !landing->is_final && ws_input_direct(conn) > 0) {
                arrival->result = WS_AGAIN; /* nothing but the socket has more of it */
            }
        }
        if (arrival->result != WS_OK || landing->is_final || landing->control || room - landing->len < LEAST_LANDING) {
            break;
        }
        arrival->result = take_piece(conn, to, room, landing, &arrival->error);
    }
    stands(conn, arrival->result, &arrival->state);
    arrival->state.direct = ws_input_direct(conn);
}

/* Copies out what fits and takes it; what is too long for that stays, lent. */
static int show(ws_conn *conn, void *buffer, size_t room, wsgo_output *output, ws_error **error)
{
    *output = nothing;
    for (;;) {
        size_t len = 0;
        const void *bytes = ws_output(conn, &len);
        int result;

        if (!bytes) {
            return WS_OK;
        }
        if (len > room - output->copied) {
            if (output->copied > 0) {
                output->more = 1;
            } else {
                output->lent = bytes;
                output->lent_len = len;
            }
            return WS_OK;
        }
        memcpy((char *)buffer + output->copied, bytes, len);
        output->copied += len;
        result = ws_output_done(conn, len, error);
        if (result != WS_OK) {
            return result;
        }
    }
}

static int take(ws_conn *conn, int kind, const void *data, size_t len, ws_error **error)
{
    switch (kind) {
    case WS_PING:
        return ws_ping(conn, data, len, WS_NOWAIT, error);
    case WS_PONG:
        return ws_pong(conn, data, len, WS_NOWAIT, error);
    default:
        return ws_send(conn, kind, data, len, WS_NOWAIT, error);
    }
}

int wsgo_send(ws_conn *conn, int kind, const void *data, size_t len, void *buffer, size_t room, wsgo_output *output,
              ws_error **error)
{
    size_t copied = room;
    int shown, result;

    *output = nothing;
    if (kind == WS_TEXT || kind == WS_BINARY) {
        result = ws_send_output(conn, kind, data, len, buffer, &copied, error);
        if (copied > 0) {
            output->copied = copied;
            output->more = result == WS_PENDING;
            return result;
        }
    } else {
        result = take(conn, kind, data, len, error);
    }
    if (result < 0) {
        return result;
    }
    shown = show(conn, buffer, room, output, error);
    return shown < 0 ? shown : result;
}

static size_t write_now(int fd, const void *bytes, size_t size)
{
    long n;

    do {
        /* Not by send, which in a process with threads is a point of cancellation, and costs that of each message. */
        n = syscall(SYS_sendto, fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

/* A message that has room on the stack leaves without being kept anywhere. */
static int send_small(ws_conn *conn, int fd, int kind, const void *data, size_t len, wsgo_sent *sent)
{
    char frame[NOW_ROOM];
    size_t size = sizeof frame, written;
    int result = ws_send_output(conn, kind, data, len, frame, &size, &sent->error);

    if (size == 0 || (written = write_now(fd, frame, size)) == size) {
        return result;
    }
    sent->rest_len = size - written;
    sent->rest = malloc(sent->rest_len);
    if (!sent->rest) {
        return WS_E_LIMIT_MEMORY;
    }
    memcpy(sent->rest, frame + written, sent->rest_len);
    return result;
}

void wsgo_send_now(ws_conn *conn, int fd, int kind, uintptr_t data, size_t len, uintptr_t answer)
{
    wsgo_sent *sent = (wsgo_sent *)answer;
    const void *bytes;
    size_t size, written;

    sent->rest = NULL;
    sent->rest_len = 0;
    if (len <= NOW && (kind == WS_TEXT || kind == WS_BINARY)) {
        sent->result = send_small(conn, fd, kind, (const void *)data, len, sent);
    } else {
        sent->result = take(conn, kind, (const void *)data, len, &sent->error);
    }
    sent->left = sent->result == WS_PENDING;
    if (!sent->left || sent->rest_len > 0 || !(bytes = ws_output(conn, &size))) {
        return;
    }
    written = write_now(fd, bytes, size);
    if (written > 0 && ws_output_done(conn, written, NULL) == WS_OK) {
        sent->left = written < size;
    }
}

int wsgo_send_fragment(ws_conn *conn, int kind, const void *data, size_t len, int is_final, void *buffer, size_t room,
                       wsgo_output *output, ws_error **error)
{
    int result, shown;

    *error = NULL;
    *output = nothing;
    result = ws_send_fragment(conn, kind, data, len, is_final, WS_NOWAIT, error);
    if (result < 0) {
        return result;
    }
    shown = show(conn, buffer, room, output, error);
    return shown < 0 ? shown : result;
}

int wsgo_output_next(ws_conn *conn, size_t done, void *buffer, size_t room, wsgo_output *output, ws_error **error)
{
    int result = WS_OK;

    *error = NULL;
    *output = nothing;
    if (done > 0) {
        result = ws_output_done(conn, done, error);
    }
    return result == WS_OK ? show(conn, buffer, room, output, error) : result;
}

int wsgo_handshake(ws_conn *conn, const void *data, size_t len, int ended, void *buffer, size_t room,
                   wsgo_output *output, ws_error **error)
{
    int result = wsgo_feed(conn, data, len, ended, error), shown;
    ws_error *ignored = NULL;

    *output = nothing;
    if (result == WS_OK) {
        result = ws_handshake(conn, WS_NOWAIT, error);
    }
    /* After a failure too: a TLS alert is among it. */
    shown = show(conn, buffer, room, output, &ignored);
    ws_error_free(ignored);
    return result < 0 || shown == WS_OK ? result : shown;
}
