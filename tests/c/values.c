/* Wrong kinds, codes, lengths, strings and times; what an error tells. */

#include <stdint.h>
#include <time.h>

#include "check.h"

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void kinds(ws_conn *conn)
{
    static const int wrong[] = {0, 3, 7, 8, 9, 10, 11, 257, -1, INT32_MAX, INT32_MIN};
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT(WS_E_USAGE_KIND, ws_send(conn, wrong[i], "x", 1, BOUND, e));
    }
}

static void lengths(ws_conn *conn)
{
    static const char data[126] = "";

    EXPECT(WS_E_USAGE_LENGTH, ws_send(conn, WS_BINARY, data, (size_t)-1, BOUND, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_send(conn, WS_BINARY, data, (size_t)PTRDIFF_MAX + 1, BOUND, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_send(conn, WS_BINARY, NULL, (size_t)-1, BOUND, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_ping(conn, data, (size_t)-1, BOUND, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_pong(conn, data, (size_t)-1, BOUND, e));
    EXPECT(WS_E_USAGE_CONTROL_SIZE, ws_ping(conn, data, 126, BOUND, e));
    EXPECT(WS_E_USAGE_CONTROL_SIZE, ws_pong(conn, data, 126, BOUND, e));
    EXPECT(WS_OK, ws_ping(conn, data, 125, BOUND, e));
    EXPECT(WS_OK, ws_pong(conn, data, 125, BOUND, e));
    EXPECT(WS_E_OPTION_VALUE, ws_set_max_message(conn, (size_t)-1, e));
    EXPECT(WS_E_OPTION_VALUE, ws_set_compression(conn, 1, 10, e));
    EXPECT(WS_OK, ws_set_compression(conn, 1, 9, e));
    EXPECT(WS_OK, ws_set_max_message(conn, 0, e));
}

static void strings(ws_conn *conn)
{
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *none;
    char long_reason[200];

    EXPECT(WS_E_USAGE_UTF8, ws_send(conn, WS_TEXT, "\xc3\x28", 2, BOUND, e));
    EXPECT(WS_E_USAGE_UTF8, ws_send(conn, WS_TEXT, "\xed\xa0\x80", 3, BOUND, e));
    EXPECT(WS_OK, ws_send(conn, WS_BINARY, "\xc3\x28", 2, BOUND, e));
    EXPECT(WS_E_USAGE_CLOSE_REASON, ws_close(conn, 1000, "\xff", BOUND, e));
    memset(long_reason, 'r', sizeof long_reason);
    long_reason[124] = '\0';
    EXPECT(WS_E_USAGE_CLOSE_REASON, ws_close(conn, 1000, long_reason, BOUND, e));
    EXPECT(WS_E_USAGE_CLOSE_REASON, ws_close(conn, 0, "a reason without a code", BOUND, e));
    EXPECT(WS_E_URL_SYNTAX, ws_dial("ws://\xff/", NULL, BOUND, &none, e));
    EXPECT(WS_E_OPTION_SUBPROTOCOL, ws_dialer_add_subprotocol(dialer, "\xff", e));
    EXPECT(WS_E_OPTION_SUBPROTOCOL, ws_dialer_add_subprotocol(dialer, "", e));
    EXPECT(WS_E_OPTION_SUBPROTOCOL, ws_dialer_add_subprotocol(dialer, "a b", e));
    EXPECT(WS_OK, ws_dialer_add_subprotocol(dialer, "a", e));
    EXPECT(WS_E_OPTION_SUBPROTOCOL, ws_dialer_add_subprotocol(dialer, "a", e));
    EXPECT(WS_E_OPTION_HEADER, ws_dialer_add_header(dialer, "\xff", "x", e));
    EXPECT(WS_E_OPTION_HEADER, ws_dialer_add_header(dialer, "X-A", "x\r\nX-B: y", e));
    EXPECT(WS_E_OPTION_HEADER_RESERVED, ws_dialer_add_header(dialer, "UPGRADE", "x", e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_server_name(dialer, "\xff", e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_server_name(dialer, "no name", e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_params(dialer, 7, 0, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_params(dialer, 0, 16, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_params(dialer, -1, 0, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_params(dialer, 0, 0, 8, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_params(dialer, 9, 0, WS_DEFLATE_CLIENT_WINDOW_FIXED, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_level(dialer, 10, 0, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_level(dialer, 0, -1, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_compression_level(dialer, 0, 0, (size_t)-1, e));
    EXPECT(WS_OK, ws_dialer_set_compression_level(dialer, 9, 9, 0, e));
    EXPECT(WS_E_OPTION_FILE, ws_dialer_add_ca_file(dialer, "/nowhere/at all.pem", e));
    EXPECT(WS_E_OPTION_PEM, ws_dialer_add_ca_pem(dialer, "no pem", 6, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_max_message(dialer, (size_t)-1, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_max_rejection_body(dialer, (size_t)-1, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_buffer_sizes(dialer, 1, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_buffer_sizes(dialer, 0, (size_t)-1, e));
    EXPECT(WS_OK, ws_dialer_set_buffer_sizes(dialer, 0, 4096, e));
    EXPECT(WS_OK, ws_dialer_set_max_rejection_body(dialer, 0, e));
    ws_dialer_free(dialer);
}

static void close_codes(ws_conn *conn)
{
    static const int wrong[] = {1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535, 65536, 66536, -1, INT32_MIN};
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT(WS_E_USAGE_CLOSE_CODE, ws_close(conn, wrong[i], NULL, BOUND, e));
    }
}

static void times(ws_conn *conn)
{
    static const int wrong[] = {-3, -1000, INT32_MIN};
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *none;
    double begin;
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT(WS_E_USAGE_TIMEOUT, ws_send(conn, WS_TEXT, "x", 1, wrong[i], e));
        EXPECT(WS_E_USAGE_TIMEOUT, ws_recv(conn, wrong[i], &message, e));
        EXPECT(WS_E_USAGE_TIMEOUT, ws_ping(conn, "x", 1, wrong[i], e));
        EXPECT(WS_E_USAGE_TIMEOUT, ws_pong(conn, "x", 1, wrong[i], e));
        EXPECT(WS_E_USAGE_TIMEOUT, ws_flush(conn, wrong[i], e));
        EXPECT(WS_E_USAGE_TIMEOUT, ws_close(conn, 1000, NULL, wrong[i], e));
        EXPECT(WS_E_USAGE_TIMEOUT, ws_dial(server_ws, NULL, wrong[i], &none, e));
    }
    EXPECT(WS_E_USAGE_TIMEOUT, ws_dial(server_ws, NULL, WS_NOWAIT, &none, e));
    CHECK(none == NULL);
    begin = now();
    EXPECT(WS_TIMEOUT, ws_recv(conn, 60, &message, e));
    CHECK(now() - begin >= 0.06 && now() - begin < 5);
    begin = now();
    EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
    CHECK(now() - begin < 5);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "x", 1, WS_NOWAIT, e));
    EXPECT(WS_OK, ws_recv(conn, INT32_MAX, &message, e));
    ws_message_free(&message);
}

/* Sends until a message is not taken (the system makes its buffers larger for a while); tells whether one was taken
 * with bytes left inside. */
static int refusal(ws_conn *conn, const char *block, int timeout_ms, int *was_pending)
{
    int result, sent = 0;

    while ((result = ws_send(conn, WS_BINARY, block, 1 << 20, timeout_ms, NULL)) == WS_OK || result == WS_PENDING) {
        *was_pending |= result == WS_PENDING;
        CHECK(++sent < 1000);
    }
    return result;
}

/* The socket takes no more: taken and pending, then not taken. */
static void full(int secure)
{
    ws_conn *conn = dial(secure, "/silent");
    char *block = calloc(1, 1 << 20);
    int was_pending = 0;

    CHECK(block != NULL);
    CHECK(refusal(conn, block, WS_NOWAIT, &was_pending) == WS_AGAIN);
    CHECK(was_pending);
    CHECK(refusal(conn, block, 50, &was_pending) == WS_TIMEOUT);
    EXPECT(WS_AGAIN, ws_flush(conn, WS_NOWAIT, e));
    EXPECT(WS_TIMEOUT, ws_flush(conn, 20, e));
    CHECK(refusal(conn, block, WS_NOWAIT, &was_pending) == WS_AGAIN);
    EXPECT(WS_TIMEOUT, ws_close(conn, 1000, NULL, 20, e));
    ws_conn_free(conn);
    free(block);
}

static void failures(void)
{
    ws_dialer *dialer = new_dialer();
    ws_conn *conn;
    ws_error *error;
    const char *name, *value;
    char url[200];
    size_t len;
    double begin;

    /* rejected */
    snprintf(url, sizeof url, "%s/reject", server_ws);
    CHECK(ws_dial(url, dialer, BOUND, &conn, &error) == WS_E_REJECTED && conn == NULL);
    CHECK(ws_error_http_status(error) == 403 && ws_error_phase(error) >= WS_PHASE_HANDSHAKE);
    CHECK(strcmp(ws_error_http_header(error, "x-why", 0), "because") == 0);
    CHECK(strcmp(ws_error_http_header(error, "X-WHY", 1), "again") == 0);
    CHECK(ws_error_http_header(error, "X-Why", 2) == NULL);
    value = ws_error_http_header_at(error, 0, &name);
    CHECK(strcmp(value, ws_error_http_header(error, name, 0)) == 0);
    CHECK(ws_error_http_header_at(error, 99, &name) == NULL && name == NULL);
    CHECK(memcmp(ws_error_http_body(error, &len), "go away\r\n", 9) == 0 && len == 9);
    ws_error_free(error);

    /* the time runs out in the handshake, and the error says so */
    snprintf(url, sizeof url, "%s/hang", server_ws);
    begin = now();
    CHECK(ws_dial(url, dialer, 80, &conn, &error) == WS_E_TIMEOUT && conn == NULL);
    CHECK(now() - begin >= 0.08 && now() - begin < 10);
    CHECK(ws_error_phase(error) == WS_PHASE_HANDSHAKE);
    CHECK(strcmp(ws_phase_name(ws_error_phase(error)), "handshake") == 0);
    ws_error_free(error);

    /* nobody listens */
    CHECK(ws_dial("ws://127.0.0.1:1/", NULL, BOUND, &conn, &error) == WS_E_CONNECT);
    CHECK(ws_error_os_error(error) != 0 && ws_error_phase(error) == WS_PHASE_CONNECT);
    ws_error_free(error);

    /* a certificate for another name, and one that nobody vouches for */
    if (server_has_tls) {
        EXPECT(WS_OK, ws_dialer_set_server_name(dialer, "other.example", e));
        CHECK(ws_dial(server_wss, dialer, BOUND, &conn, &error) == WS_E_TLS_WRONG_HOST);
        CHECK(ws_error_phase(error) == WS_PHASE_TLS);
        ws_error_free(error);
        CHECK(ws_dial(server_wss, NULL, BOUND, &conn, &error) < 0 && ws_error_phase(error) == WS_PHASE_TLS);
        ws_error_free(error);
    }

    /* no subprotocol where one is required; a header that goes out and comes back */
    ws_dialer_free(dialer);
    dialer = new_dialer();
    EXPECT(WS_OK, ws_dialer_add_subprotocol(dialer, "unknown", e));
    EXPECT(WS_OK, ws_dialer_add_header(dialer, "X-Seen", "yes, it was", e));
    conn = dial_with(server_wss, "/echo", dialer);
    CHECK(strcmp(ws_subprotocol(conn), "") == 0);
    CHECK(strcmp(ws_response_header(conn, "X-Seen", 0), "yes, it was") == 0);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    EXPECT(WS_OK, ws_dialer_require_subprotocol(dialer, 1, e));
    EXPECT(WS_E_HANDSHAKE_NO_SUBPROTOCOL, ws_dial(server_ws, dialer, BOUND, &conn, e));
    ws_dialer_free(dialer);

    EXPECT(WS_E_URL_SCHEME, ws_dial("http://localhost/", NULL, BOUND, &conn, e));
    EXPECT(WS_E_URL_FRAGMENT, ws_dial("ws://localhost/#x", NULL, BOUND, &conn, e));
    EXPECT(WS_E_URL_PORT, ws_dial("ws://localhost:70000/", NULL, BOUND, &conn, e));
    CHECK(ws_dial("", NULL, BOUND, &conn, NULL) <= -201);
}

/* The size of a message is limited by the dialer too. */
static void limits(void)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn;

    EXPECT(WS_OK, ws_dialer_set_max_message(dialer, 100, e));
    conn = dial_with(server_ws, "/big/100,101", dialer);
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    EXPECT(WS_E_LIMIT_MESSAGE, ws_recv(conn, BOUND, &message, e));
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    ws_message_free(&message);
}

int main(int argc, char **argv)
{
    ws_conn *conn, *talk;

    start(argc, argv);
    CHECK(ws_version_number() == WS_VERSION_NUMBER);
    CHECK(strchr(ws_version(), '.') != NULL);
    conn = dial(0, "/silent");
    kinds(conn);
    lengths(conn);
    strings(conn);
    close_codes(conn);
    talk = dial(0, "/echo");
    times(talk);
    EXPECT(WS_OK, ws_close(talk, 1000, NULL, BOUND, e));
    ws_conn_free(talk);
    ws_conn_free(conn);
    full(0);
    full(1);
    failures();
    limits();
    return 0;
}
