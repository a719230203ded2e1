/* A connection over bytes that the program moves itself: what is lent stays put, nothing is lost in any order of calls,
 * what is not taken makes the peer wait, and every end is told. The bytes go to a real server, over ws and wss. */

#include <poll.h>

#include "socket.h"

struct pair {
    ws_conn *conn;
    int fd;
    size_t step; /* the most bytes moved at a time */
};

/* Writes all that there is to write, in steps. */
static void write_all(struct pair *pair)
{
    const char *bytes;
    size_t len, again;

    while ((bytes = ws_output(pair->conn, &len)) != NULL) {
        CHECK(len > 0 && ws_output(pair->conn, &again) == (const void *)bytes && again == len);
        len = len < pair->step ? len : pair->step;
        len = (size_t)send(pair->fd, bytes, len, MSG_NOSIGNAL);
        CHECK(len != (size_t)-1);
        EXPECT(WS_OK, ws_output_done(pair->conn, len, e));
    }
}

/* Reads once, which may wait for the server. 0 when no room is given. */
static int read_some(struct pair *pair)
{
    size_t room = 0;
    char *to = ws_input(pair->conn, &room);
    ssize_t n;

    if (to == NULL) {
        CHECK(room == 0);
        return 0;
    }
    CHECK(room >= 16 * 1024);
    n = recv(pair->fd, to, room < pair->step ? room : pair->step, 0);
    EXPECT(WS_OK, ws_input_done(pair->conn, n > 0 ? (size_t)n : 0, e));
    return 1;
}

/* Nothing of this is known before the handshake is through. */
static int asks_early;

static void ask_early(const ws_conn *conn)
{
    size_t len = 1;

    CHECK(strcmp(ws_subprotocol(conn), "") == 0 && strcmp(ws_extensions(conn), "") == 0);
    CHECK(ws_response_status(conn) == 0);
    CHECK(ws_response_header(conn, "upgrade", 0) == NULL && ws_response_header_at(conn, 0, NULL) == NULL);
    CHECK(ws_close_code(conn) == 0 && ws_close_reason(conn, &len) == NULL && len == 0);
    CHECK(ws_transcript(conn) == NULL);
}

static struct pair open_pair(int secure, const char *path, size_t step, const ws_dialer *dialer)
{
    const char *server = secure ? server_wss : server_ws;
    struct pair pair;
    char url[2048];
    ws_message message = WS_MESSAGE_INIT;
    int result;

    url_of(url, sizeof url, server, path);
    pair.step = step;
    pair.fd = connected(server);
    EXPECT(WS_AGAIN, ws_dial_memory(url, dialer, &pair.conn, e));
    CHECK(pair.conn != NULL && ws_fd(pair.conn) == -1);
    CHECK(ws_timeout(pair.conn) > 40000 && ws_timeout(pair.conn) <= 45000);
    EXPECT(WS_AGAIN, ws_handshake(pair.conn, WS_FOREVER, e));
    EXPECT(WS_E_USAGE_STATE, ws_send(pair.conn, WS_TEXT, "early", 5, BOUND, e));
    EXPECT(WS_E_USAGE_STATE, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(ws_wants(pair.conn) == (WS_WANT_READ | WS_WANT_WRITE));
    for (;;) {
        if (asks_early) {
            ask_early(pair.conn);
        }
        write_all(&pair);
        result = ws_handshake(pair.conn, WS_DEFAULT, NULL);
        if (result != WS_AGAIN) {
            break;
        }
        write_all(&pair);
        CHECK(read_some(&pair));
    }
    CHECK(result == WS_OK);
    CHECK(ws_response_status(pair.conn) == 101 && ws_local_address(pair.conn) == NULL);
    return pair;
}

static void close_pair(struct pair *pair)
{
    ws_message message = WS_MESSAGE_INIT;

    EXPECT(WS_AGAIN, ws_close(pair->conn, 1000, "done", WS_DEFAULT, e));
    CHECK(ws_timeout(pair->conn) >= 0 && ws_timeout(pair->conn) <= 5000);
    for (;;) {
        int result = ws_close(pair->conn, 1000, NULL, WS_DEFAULT, NULL);

        if (result == WS_OK) {
            break;
        }
        CHECK(result == WS_AGAIN);
        write_all(pair);
        CHECK(read_some(pair));
    }
    EXPECT(WS_CLOSED, ws_recv(pair->conn, BOUND, &message, e));
    CHECK(ws_close_code(pair->conn) == 1000);
    CHECK(ws_input(pair->conn, NULL) == NULL);
    ws_conn_free(pair->conn);
    close(pair->fd);
}

static void receive(struct pair *pair, ws_message *message)
{
    int result;

    while ((result = ws_recv(pair->conn, WS_FOREVER, message, NULL)) == WS_AGAIN) {
        write_all(pair);
        CHECK(read_some(pair));
    }
    CHECK(result == WS_OK);
}

static void echoes(int secure, size_t step)
{
    static const size_t sizes[] = { 0, 1, 125, 126, 5000, 65535, 65536, 300000 };
    static char data[300000];
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(secure, "/echo", step, dialer);
    ws_message message = WS_MESSAGE_INIT;
    size_t n, i;

    CHECK(ws_timeout(pair.conn) == -1);
    for (i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 7 + i / 251);
    }
    for (n = 0; n < sizeof sizes / sizeof sizes[0] && sizes[n] / step < 10000; n++) {
        /* Nobody takes the bytes at once, so they stay inside. */
        EXPECT(WS_PENDING, ws_send(pair.conn, WS_BINARY, data, sizes[n], WS_FOREVER, e));
        CHECK(ws_wants(pair.conn) & WS_WANT_WRITE);
        EXPECT(WS_AGAIN, ws_flush(pair.conn, BOUND, e));
        write_all(&pair);
        EXPECT(WS_OK, ws_flush(pair.conn, BOUND, e));
        CHECK(!(ws_wants(pair.conn) & WS_WANT_WRITE));
        receive(&pair, &message);
        CHECK(message.len == sizes[n] && memcmp(message.data, data, message.len) == 0);
    }
    CHECK((ws_tls_version(pair.conn) != NULL) == (secure && server_has_tls));
    close_pair(&pair);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* A message that is sent into the program's own memory: whole, or not at all and left to ws_output. */
static void sent_into_memory(int secure)
{
    static const size_t sizes[] = { 0, 1, 112, 113, 125, 126, 1024, 1025, 5000, 70000 };
    static char data[70000], frame[100000];
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(secure, "/echo", 1 << 20, dialer);
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    size_t n, len, i;

    for (i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 11 + i / 253);
    }
    for (n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        /* All of it, and nothing behind it is touched. */
        memset(frame, 'u', sizeof frame);
        len = sizeof frame;
        EXPECT(WS_OK, ws_send_output(pair.conn, WS_BINARY, data, sizes[n], frame, &len, e));
        CHECK(len > sizes[n] && len < sizeof frame && frame[len] == 'u');
        CHECK(ws_output(pair.conn, &i) == NULL && !(ws_wants(pair.conn) & WS_WANT_WRITE));
        CHECK(send(pair.fd, frame, len, MSG_NOSIGNAL) == (ssize_t)len);
        receive(&pair, &message);
        CHECK(message.len == sizes[n] && memcmp(message.data, data, message.len) == 0);
        /* No room: nothing is put, ws_output has it; and what comes then goes behind it. */
        memset(frame, 'u', sizeof frame);
        len = sizes[n];
        EXPECT(WS_PENDING, ws_send_output(pair.conn, WS_BINARY, data, sizes[n], frame, &len, e));
        CHECK(len == 0 && frame[0] == 'u');
        CHECK(ws_output(pair.conn, &i) != NULL);
        len = sizeof frame;
        EXPECT(WS_PENDING, ws_send_output(pair.conn, WS_BINARY, "behind", 6, frame, &len, e));
        CHECK(len == 0 && frame[0] == 'u');
        write_all(&pair);
        receive(&pair, &message);
        CHECK(message.len == sizes[n] && memcmp(message.data, data, message.len) == 0);
        receive(&pair, &message);
        CHECK(message.len == 6 && memcmp(message.data, "behind", 6) == 0);
    }
    /* What cannot be sent puts nothing. */
    len = sizeof frame;
    EXPECT(WS_E_USAGE_UTF8, ws_send_output(pair.conn, WS_TEXT, "\xff", 1, frame, &len, e));
    CHECK(len == 0);
    len = sizeof frame;
    EXPECT(WS_E_USAGE_KIND, ws_send_output(pair.conn, WS_PING, "p", 1, frame, &len, e));
    CHECK(len == 0);
    len = 1;
    CHECK(ws_send_output(pair.conn, WS_TEXT, "x", 1, NULL, &len, &error) == WS_E_USAGE_NULL && len == 0);
    CHECK(strstr(ws_error_message(error), "buffer") != NULL);
    ws_error_free(error);
    CHECK(ws_send_output(pair.conn, WS_TEXT, "x", 1, frame, NULL, NULL) == WS_E_USAGE_NULL);
    len = 0;
    EXPECT(WS_PENDING, ws_send_output(pair.conn, WS_TEXT, "no room at all", 14, NULL, &len, e));
    write_all(&pair);
    receive(&pair, &message);
    CHECK(message.len == 14);
    close_pair(&pair);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* What is lent is the program's until it is given back, whatever others do; and what came before it is not locked away. */
static void lent(int secure)
{
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(secure, "/big/3,3,3", 1 << 20, dialer);
    ws_message message = WS_MESSAGE_INIT;
    char copy[64], big[20000];
    const char *out;
    char *in;
    size_t len, room, n;

    memset(big, 'x', sizeof big);
    /* Three messages have come in one piece, or in several when the server's system wants it so. */
    receive(&pair, &message);
    CHECK((in = ws_input(pair.conn, &room)) != NULL);
    memset(in, 'i', room);
    for (n = 1; n < 3 && ws_recv(pair.conn, BOUND, &message, NULL) == WS_OK; n++) {
        CHECK(message.len == 3);
    }
    CHECK(ws_input(pair.conn, &len) == (void *)in && len == room && in[0] == 'i' && in[room - 1] == 'i');
    EXPECT(WS_E_USAGE_STATE, ws_input_done(pair.conn, room + 1, e));
    for (; n < 3; n++) {
        receive(&pair, &message);
        CHECK(message.len == 3);
    }
    EXPECT(WS_PENDING, ws_send(pair.conn, WS_BINARY, "first", 5, BOUND, e));
    CHECK((out = ws_output(pair.conn, &len)) != NULL && len > 5 && len < sizeof copy);
    memcpy(copy, out, len);
    for (n = 0; n < 10; n++) {
        EXPECT(WS_PENDING, ws_send(pair.conn, WS_BINARY, big, sizeof big, BOUND, e));
        EXPECT(WS_PENDING, ws_ping(pair.conn, "p", 1, BOUND, e));
        EXPECT(WS_AGAIN, ws_process(pair.conn, e));
        CHECK(ws_output(pair.conn, &room) == (const void *)out && room == len && memcmp(copy, out, len) == 0);
    }
    EXPECT(WS_E_USAGE_STATE, ws_output_done(pair.conn, len + 1, e));
    CHECK(send(pair.fd, out, 2, MSG_NOSIGNAL) == 2);
    EXPECT(WS_OK, ws_output_done(pair.conn, 2, e));
    CHECK(ws_output(pair.conn, &room) == (const void *)(out + 2) && room == len - 2 && memcmp(copy + 2, out + 2, room) == 0);
    receive(&pair, &message);
    CHECK(message.len == 5 && memcmp(message.data, "first", 5) == 0);
    for (n = 0; n < 10; n++) {
        receive(&pair, &message);
        CHECK(message.len == sizeof big && memcmp(message.data, big, message.len) == 0);
    }
    close_pair(&pair);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* Bytes that a server might have sent, put in without it. */
static int feed(ws_conn *conn, const char *bytes, size_t len)
{
    size_t room = 0;
    char *to = ws_input(conn, &room);

    if (to == NULL) {
        return 0;
    }
    CHECK(len <= room);
    memcpy(to, bytes, len);
    EXPECT(WS_OK, ws_input_done(conn, len, e));
    return 1;
}

/* Nothing is put before what was there first, and nothing behind the close frame. */
static void not_sent_into_memory(void)
{
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(0, "/silent", 1 << 20, dialer);
    ws_message message = WS_MESSAGE_INIT;
    const unsigned char *bytes;
    char frame[100];
    size_t len = sizeof frame, n;

    CHECK(feed(pair.conn, "\x89\x01p", 3));
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_PENDING, ws_send_output(pair.conn, WS_TEXT, "x", 1, frame, &len, e));
    /* The pong, then the message. */
    CHECK(len == 0 && (bytes = ws_output(pair.conn, &n)) != NULL && n == 14 && bytes[0] == 0x8a && bytes[7] == 0x81);
    len = sizeof frame;
    EXPECT(WS_PENDING, ws_send_output(pair.conn, WS_TEXT, "y", 1, frame, &len, e));
    CHECK(len == 0);
    write_all(&pair);
    EXPECT(WS_PENDING, ws_start_close(pair.conn, 1000, NULL, e));
    len = sizeof frame;
    EXPECT(WS_CLOSED, ws_send_output(pair.conn, WS_TEXT, "z", 1, frame, &len, e));
    CHECK(len == 0 && (bytes = ws_output(pair.conn, &n)) != NULL && n == 8 && bytes[0] == 0x88);
    ws_conn_free(pair.conn);
    close(pair.fd);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

static void the_peer_waits(void)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    struct pair pair;
    size_t n;

    EXPECT(WS_OK, ws_dialer_set_read_ahead(dialer, 3, 1000, e));
    pair = open_pair(0, "/silent", 1 << 20, dialer);
    /* Five messages and a ping behind them. */
    CHECK(feed(pair.conn, "\x81\x01" "1\x81\x01" "2\x81\x01" "3\x81\x01" "4\x81\x01" "5\x89\x00", 17));
    EXPECT(WS_OK, ws_process(pair.conn, e));
    CHECK(ws_wants(pair.conn) == WS_WANT_BUFFERED);
    CHECK(ws_input(pair.conn, &n) == NULL && ws_output(pair.conn, NULL) == NULL);
    for (n = 0; n < 2; n++) {
        EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
        CHECK(message.len == 1 && message.data[0] == (char)('1' + (int)n));
    }
    CHECK(ws_wants(pair.conn) == (WS_WANT_BUFFERED | WS_WANT_READ));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    /* Two are left, which is below the bound: the ping behind them is reached and answered. */
    EXPECT(WS_AGAIN, ws_process(pair.conn, e));
    CHECK(ws_output(pair.conn, &n) != NULL && n == 6);
    EXPECT(WS_OK, ws_output_done(pair.conn, n, e));
    EXPECT(WS_OK, ws_process(pair.conn, e));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(message.data[0] == '5');
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(ws_wants(pair.conn) == WS_WANT_READ);
    /* Room that is lent hides nothing that has come before. */
    CHECK(feed(pair.conn, "\x81\x01" "6\x81\x01" "7\x81", 7));
    CHECK(ws_input(pair.conn, &n) != NULL);
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(message.data[0] == '7');
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(feed(pair.conn, "\x01" "8", 2));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(message.data[0] == '8');
    /* Many bytes that nobody looks at are not taken without end. */
    for (n = 0; n < 10000 && feed(pair.conn, "\x82\x0f" "fifteen bytes..", 17); n++) {
    }
    CHECK(n > 1000 && n < 10000);
    CHECK(ws_wants(pair.conn) & WS_WANT_BUFFERED);
    while (n-- > 0) {
        EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
        CHECK(message.len == 15);
    }
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    /* What is not written is not taken without end either. */
    for (n = 0; ws_send(pair.conn, WS_BINARY, "0123456789", 10, BOUND, NULL) == WS_PENDING; n++) {
        CHECK(n < 1000000);
    }
    EXPECT(WS_AGAIN, ws_send(pair.conn, WS_BINARY, "x", 1, BOUND, e));
    ws_conn_free(pair.conn);
    close(pair.fd);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

enum { LARGE = 100000 };

/* A text message of LARGE bytes has begun, and 20 of its bytes are there. */
static struct pair begin_large(ws_message *message, const ws_dialer *dialer)
{
    struct pair pair = open_pair(0, "/silent", 1 << 20, dialer);

    CHECK(feed(pair.conn, "\x81\x7f\0\0\0\0\0\x01\x86\xa0" "twenty bytes of text", 30));
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, message, e));
    return pair;
}

/* Puts so many bytes of a large message in, each into the room that it is given. */
static void fill_large(ws_conn *conn, size_t len)
{
    size_t room, n;
    char *to;

    for (; len > 0; len -= n) {
        CHECK((to = ws_input(conn, &room)) != NULL && room >= 16 * 1024);
        n = room < len ? room : len;
        memset(to, 'a', n);
        EXPECT(WS_OK, ws_input_done(conn, n, e));
    }
}

/* A large payload goes straight into its message, whatever is called while the room is lent. */
static void a_large_payload_has_room_of_its_own(void)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    ws_batch batch = WS_BATCH_INIT;
    struct pair pair = begin_large(&message, dialer);
    size_t room, len, turn;
    char *to, piece[200];
    int kind, is_final;

    CHECK((to = ws_input(pair.conn, &room)) != NULL && room >= 16 * 1024 && room <= LARGE - 20);
    memset(to, 'a', room);
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_AGAIN, ws_recv_batch(pair.conn, BOUND, 0, 0, &batch, e));
    EXPECT(WS_OK, ws_process(pair.conn, e));
    CHECK(ws_input(pair.conn, &len) == (void *)to && len == room && to[0] == 'a' && to[room - 1] == 'a');
    EXPECT(WS_E_USAGE_STATE, ws_input_done(pair.conn, room + 1, e));
    /* Taken back, nothing of it counts. */
    CHECK(ws_input(pair.conn, NULL) == NULL);
    EXPECT(WS_E_USAGE_STATE, ws_input_done(pair.conn, 1, e));
    fill_large(pair.conn, LARGE - 20);
    CHECK(ws_wants(pair.conn) & WS_WANT_BUFFERED);
    /* What is behind it goes elsewhere. */
    CHECK(feed(pair.conn, "\x81\x02ok", 4));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(message.len == LARGE && memcmp(message.data, "twenty bytes of texta", 21) == 0);
    CHECK(message.data[LARGE - 1] == 'a' && message.data[LARGE] == 0);
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(message.len == 2);
    ws_conn_free(pair.conn);
    close(pair.fd);

    /* A byte that is no UTF-8 fails with its message, and what comes behind it counts no more. */
    pair = begin_large(&message, dialer);
    fill_large(pair.conn, 30000);
    CHECK((to = ws_input(pair.conn, &room)) != NULL);
    memset(to, 'a', 100);
    to[99] = (char)0xff;
    EXPECT(WS_OK, ws_input_done(pair.conn, 100, e));
    CHECK(ws_input(pair.conn, &room) == NULL);
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    write_all(&pair);
    EXPECT(WS_E_UTF8, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(ws_close_code(pair.conn) == 1007);
    ws_conn_free(pair.conn);
    close(pair.fd);

    /* A receiver of pieces comes while room is lent, and gets all of it in order. */
    pair = begin_large(&message, dialer);
    CHECK((to = ws_input(pair.conn, &room)) != NULL);
    EXPECT(WS_AGAIN, ws_recv_into(pair.conn, BOUND, piece, sizeof piece, &len, &kind, &is_final, e));
    memset(to, 'a', 5000);
    EXPECT(WS_OK, ws_input_done(pair.conn, 5000, e));
    fill_large(pair.conn, LARGE - 5020);
    for (turn = 0; turn < LARGE; turn += len) {
        EXPECT(WS_OK, ws_recv_into(pair.conn, BOUND, piece, sizeof piece, &len, &kind, &is_final, e));
        CHECK(kind == WS_TEXT && len > 0 && piece[len - 1] == (turn + len <= 20 ? 't' : 'a'));
        CHECK(is_final == (turn + len == LARGE));
    }
    ws_conn_free(pair.conn);
    close(pair.fd);

    /* The end, and a closer, while room is lent. */
    pair = begin_large(&message, dialer);
    CHECK(ws_input(pair.conn, &room) != NULL);
    EXPECT(WS_OK, ws_input_done(pair.conn, 0, e));
    EXPECT(WS_E_ABNORMAL, ws_recv(pair.conn, BOUND, &message, e));
    ws_conn_free(pair.conn);
    close(pair.fd);
    pair = begin_large(&message, dialer);
    CHECK((to = ws_input(pair.conn, &room)) != NULL);
    EXPECT(WS_AGAIN, ws_close(pair.conn, 1000, NULL, WS_NOWAIT, e));
    memset(to, 'a', room);
    EXPECT(WS_OK, ws_input_done(pair.conn, room, e));
    fill_large(pair.conn, LARGE - 20 - room);
    CHECK(feed(pair.conn, "\x88\x02\x03\xe8", 4));
    EXPECT(WS_AGAIN, ws_close(pair.conn, 1000, NULL, WS_NOWAIT, e));
    EXPECT(WS_OK, ws_input_done(pair.conn, 0, e));
    write_all(&pair);
    EXPECT(WS_OK, ws_close(pair.conn, 1000, NULL, WS_NOWAIT, e));
    CHECK((to = ws_input(pair.conn, &room)) == NULL);
    ws_conn_free(pair.conn);
    close(pair.fd);
    /* Freed with room lent. */
    pair = begin_large(&message, dialer);
    CHECK(ws_input(pair.conn, &room) != NULL);
    ws_conn_free(pair.conn);
    close(pair.fd);
    ws_batch_free(&batch);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* The program's own failure code, and the close frame on the output. */
static void a_violation_is_answered(void)
{
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(0, "/silent", 1 << 20, dialer);
    ws_message message = WS_MESSAGE_INIT;
    const unsigned char *out;
    size_t len;

    CHECK(feed(pair.conn, "\x81\x02ok\xc1\x01x", 7));
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(strcmp(message.data, "ok") == 0);
    /* The close frame is shown first; the failure is told when it is taken. */
    EXPECT(WS_AGAIN, ws_recv(pair.conn, BOUND, &message, e));
    CHECK(ws_wants(pair.conn) & WS_WANT_WRITE);
    CHECK(ws_timeout(pair.conn) >= 0 && ws_timeout(pair.conn) <= 5000);
    CHECK((out = ws_output(pair.conn, &len)) != NULL && len > 8 && out[0] == 0x88);
    CHECK((out[6] ^ out[2]) == 0x03 && (out[7] ^ out[3]) == 0xea); /* 1002 */
    EXPECT(WS_OK, ws_output_done(pair.conn, len, e));
    EXPECT(WS_E_PROTOCOL_RESERVED_BIT, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_E_PROTOCOL_RESERVED_BIT, ws_process(pair.conn, e));
    EXPECT(WS_E_PROTOCOL_RESERVED_BIT, ws_send(pair.conn, WS_TEXT, "x", 1, BOUND, e));
    CHECK(ws_wants(pair.conn) == 0 && ws_timeout(pair.conn) == -1);
    CHECK(ws_input(pair.conn, &len) == NULL && ws_output(pair.conn, NULL) == NULL);
    ws_conn_free(pair.conn);
    close(pair.fd);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

static void ends(void)
{
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(0, "/silent", 1 << 20, dialer);
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn;
    size_t room;

    /* The end behind a message and in the middle of another. */
    CHECK(feed(pair.conn, "\x81\x02ok\x81\x02x", 7));
    EXPECT(WS_OK, ws_input_done(pair.conn, 0, e));
    CHECK(ws_input(pair.conn, &room) == NULL && room == 0);
    EXPECT(WS_OK, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_E_ABNORMAL, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_E_ABNORMAL, ws_process(pair.conn, e));
    CHECK(ws_close_code(pair.conn) == 1006 && ws_wants(pair.conn) == 0);
    ws_conn_free(pair.conn);
    close(pair.fd);

    /* The peer's close, our answer, the end. */
    pair = open_pair(0, "/silent", 1 << 20, dialer);
    CHECK(feed(pair.conn, "\x88\x02\x03\xe9", 4));
    EXPECT(WS_AGAIN, ws_process(pair.conn, e));
    write_all(&pair);
    EXPECT(WS_CLOSED, ws_recv(pair.conn, BOUND, &message, e));
    EXPECT(WS_CLOSED, ws_process(pair.conn, e));
    CHECK(ws_close_code(pair.conn) == 1001);
    /* The end of the stream is awaited, but not for ever. */
    CHECK(ws_timeout(pair.conn) >= 0 && ws_timeout(pair.conn) <= 5000 && ws_wants(pair.conn) == WS_WANT_READ);
    EXPECT(WS_OK, ws_input_done(pair.conn, 0, e));
    EXPECT(WS_OK, ws_close(pair.conn, 1000, NULL, BOUND, e));
    ws_conn_free(pair.conn);
    close(pair.fd);

    /* In the handshake: an end, rubbish, and a rejection. */
    EXPECT(WS_AGAIN, ws_dial_memory("ws://localhost/", NULL, &conn, e));
    EXPECT(WS_OK, ws_input_done(conn, 0, e));
    EXPECT(WS_E_HANDSHAKE_EOF, ws_handshake(conn, BOUND, e));
    EXPECT(WS_E_HANDSHAKE_EOF, ws_process(conn, e));
    EXPECT(WS_E_HANDSHAKE_EOF, ws_recv(conn, BOUND, &message, e));
    CHECK(!(ws_wants(conn) & (WS_WANT_READ | WS_WANT_BUFFERED)));
    ws_conn_free(conn);
    EXPECT(WS_AGAIN, ws_dial_memory("ws://localhost/", NULL, &conn, e));
    CHECK(feed(conn, "SSH-2.0-rubbish\r\n\r\n", 19));
    EXPECT(WS_E_HANDSHAKE_HEAD, ws_process(conn, e));
    ws_conn_free(conn);
    EXPECT(WS_AGAIN, ws_dial_memory("ws://localhost/", NULL, &conn, e));
    CHECK(feed(conn, "HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nno", 41));
    CHECK(ws_wants(conn) & WS_WANT_BUFFERED);
    EXPECT(WS_AGAIN, ws_handshake(conn, WS_NOWAIT, e));
    CHECK(feed(conn, "no", 2));
    EXPECT(WS_E_REJECTED, ws_handshake(conn, WS_NOWAIT, e));
    EXPECT(WS_E_REJECTED, ws_handshake(conn, WS_NOWAIT, e));
    ws_conn_free(conn);
    /* What is lent when it is freed. */
    EXPECT(WS_AGAIN, ws_dial_memory("ws://localhost/", NULL, &conn, e));
    CHECK(ws_input(conn, &room) != NULL && ws_output(conn, NULL) != NULL);
    ws_conn_free(conn);
    EXPECT(WS_E_URL_SCHEME, ws_dial_memory("http://localhost/", NULL, &conn, e));
    CHECK(conn == NULL);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* What is asked before the handshake is through is not known yet, and is when it is. */
static void facts_asked_too_early(int secure)
{
    ws_dialer *dialer = new_dialer();
    struct pair pair;
    int turn;

    EXPECT(WS_OK, ws_dialer_add_subprotocol(dialer, "json", e));
    EXPECT(WS_OK, ws_dialer_set_transcript(dialer, 1, e));
    asks_early = 1;
    pair = open_pair(secure, "/echo", 100, dialer);
    asks_early = 0;
    for (turn = 0; turn < 2; turn++) {
        CHECK(strcmp(ws_subprotocol(pair.conn), "json") == 0);
        CHECK(strcmp(ws_response_header(pair.conn, "upgrade", 0), "websocket") == 0);
        CHECK(ws_response_header_at(pair.conn, 0, NULL) != NULL);
        CHECK((ws_tls_version(pair.conn) != NULL) == (secure && server_has_tls));
        CHECK(ws_transcript(pair.conn) != NULL);
    }
    close_pair(&pair);
    ws_dialer_free(dialer);
}

/* The pong is in the program's own socket while it is busy: what has not been moved tells nothing about the peer. But a
 * peer that says nothing is dead here too. */
static void a_busy_mover(void)
{
    ws_dialer *dialer = new_dialer();
    uint64_t round_trip = 0;
    struct pair pair;
    int result;

    EXPECT(WS_OK, ws_dialer_set_keepalive(dialer, 20, 30, e));
    pair = open_pair(0, "/echo", 1 << 20, dialer);
    while (ws_output(pair.conn, NULL) == NULL) {
        CHECK(poll(NULL, 0, ws_timeout(pair.conn)) == 0);
        result = ws_process(pair.conn, NULL);
        CHECK(result == WS_OK || result == WS_AGAIN);
    }
    write_all(&pair);
    CHECK(poll(NULL, 0, 100) == 0);
    result = ws_process(pair.conn, NULL);
    CHECK(result == WS_OK || result == WS_AGAIN);
    CHECK(read_some(&pair));
    result = ws_process(pair.conn, NULL);
    CHECK(result == WS_OK || result == WS_AGAIN);
    EXPECT(WS_OK, ws_stat(pair.conn, WS_STAT_ROUND_TRIP, &round_trip, e));
    CHECK(round_trip > 0);
    ws_conn_free(pair.conn);
    close(pair.fd);

    pair = open_pair(0, "/silent", 1 << 20, dialer);
    while ((result = ws_process(pair.conn, NULL)) == WS_OK || result == WS_AGAIN) {
        write_all(&pair);
        CHECK(poll(NULL, 0, ws_timeout(pair.conn)) == 0);
    }
    CHECK(result == WS_E_ABNORMAL_PING);
    ws_conn_free(pair.conn);
    close(pair.fd);
    ws_dialer_free(dialer);
}

/* Payload may be read straight into the receiver's memory, which is not moved again. */
static void payload_that_the_caller_reads(void)
{
    static char data[300000], to[300000];
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(0, "/echo", 100, dialer);
    size_t len = 0, piece, asked = 0, i;
    int kind, is_final = 0, result;

    for (i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 11 + i / 253);
    }
    CHECK(ws_input_direct(pair.conn) == 0);
    EXPECT(WS_E_USAGE_STATE, ws_input_direct_done(pair.conn, to, 1, &kind, &is_final, e));
    EXPECT(WS_PENDING, ws_send(pair.conn, WS_BINARY, data, sizeof data, BOUND, e));
    while (!is_final) {
        result = ws_recv_into(pair.conn, BOUND, to + len, sizeof to - len, &piece, &kind, &is_final, NULL);
        if (result == WS_AGAIN && ws_input_direct(pair.conn) > 0) {
            size_t most = ws_input_direct(pair.conn);
            ssize_t n = recv(pair.fd, to + len, most, MSG_DONTWAIT);

            if (n > 0) {
                /* More than is awaited, and nothing, cannot have come. */
                EXPECT(WS_E_USAGE_STATE, ws_input_direct_done(pair.conn, to, most + 1, &kind, &is_final, e));
                EXPECT(WS_E_USAGE_STATE, ws_input_direct_done(pair.conn, to, 0, &kind, &is_final, e));
                EXPECT(WS_OK, ws_input_direct_done(pair.conn, to + len, (size_t)n, &kind, &is_final, e));
                CHECK(kind == WS_BINARY && is_final == (len + (size_t)n == sizeof data));
                piece = (size_t)n;
                asked += piece;
                result = WS_OK;
            }
        }
        if (result == WS_AGAIN) {
            write_all(&pair);
            CHECK(ws_input_direct(pair.conn) > 0 || read_some(&pair));
            continue;
        }
        CHECK(result == WS_OK && kind == WS_BINARY);
        len += piece;
    }
    CHECK(len == sizeof data && memcmp(to, data, len) == 0);
    CHECK(asked > sizeof data - 1000);
    CHECK(ws_input_direct(pair.conn) == 0);
    close_pair(&pair);
    ws_dialer_free(dialer);
}

/* It is judged like all other. */
static void wrong_payload_that_the_caller_reads(void)
{
    /* Text of 20,000 bytes with a wrong one in it. */
    static const char head[] = { (char)0x81, 126, 0x4e, 0x20, 'a' };
    static char text[20000];
    ws_dialer *dialer = new_dialer();
    struct pair pair = open_pair(0, "/silent", 100, dialer);
    size_t len, out_len;
    int kind, is_final;

    memset(text, 'b', sizeof text);
    text[9999] = (char)0xff;
    CHECK(feed(pair.conn, head, sizeof head));
    CHECK(ws_input_direct(pair.conn) == 0); /* the header has not been looked at */
    EXPECT(WS_OK, ws_recv_into(pair.conn, BOUND, text, 1, &len, &kind, &is_final, e));
    CHECK(text[0] == 'a' && len == 1 && kind == WS_TEXT && !is_final);
    EXPECT(WS_AGAIN, ws_recv_into(pair.conn, BOUND, text, 1, &len, &kind, &is_final, e));
    CHECK(ws_input_direct(pair.conn) == 19999);
    EXPECT(WS_OK, ws_input_direct_done(pair.conn, text + 1, 100, &kind, &is_final, e));
    EXPECT(WS_E_UTF8, ws_input_direct_done(pair.conn, text + 101, 19899, &kind, &is_final, e));
    CHECK(kind == 0 && is_final == 0 && ws_input_direct(pair.conn) == 0);
    CHECK(ws_output(pair.conn, &out_len) != NULL && out_len > 8); /* the close frame */
    EXPECT(WS_OK, ws_output_done(pair.conn, out_len, e));
    EXPECT(WS_E_UTF8, ws_recv_into(pair.conn, BOUND, text, 1, &len, &kind, &is_final, e));
    EXPECT(WS_E_UTF8, ws_input_direct_done(pair.conn, text, 1, &kind, &is_final, e)); /* once and for ever */
    ws_conn_free(pair.conn);
    close(pair.fd);

    /* A closer may come between the question and the bytes. */
    pair = open_pair(0, "/silent", 100, dialer);
    CHECK(feed(pair.conn, head, sizeof head));
    EXPECT(WS_OK, ws_recv_into(pair.conn, BOUND, text, 1, &len, &kind, &is_final, e));
    CHECK(ws_input_direct(pair.conn) == 19999);
    EXPECT(WS_AGAIN, ws_close(pair.conn, 1000, NULL, WS_NOWAIT, e));
    EXPECT(WS_CLOSED, ws_input_direct_done(pair.conn, text + 1, 100, &kind, &is_final, e));
    CHECK(kind == 0 && is_final == 0 && ws_input_direct(pair.conn) == 0);
    ws_conn_free(pair.conn);
    close(pair.fd);
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    int secure;

    start(argc, argv);
    for (secure = 0; secure < 2; secure++) {
        echoes(secure, 1);
        echoes(secure, 1000);
        echoes(secure, 1 << 20);
        lent(secure);
        sent_into_memory(secure);
        facts_asked_too_early(secure);
    }
    not_sent_into_memory();
    the_peer_waits();
    a_busy_mover();
    a_large_payload_has_room_of_its_own();
    a_violation_is_answered();
    payload_that_the_caller_reads();
    wrong_payload_that_the_caller_reads();
    ends();
    return 0;
}
