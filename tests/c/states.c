/* Every function on a connection in every state it may be in: open, closed by us, closed by the peer, failed, lost. */

#include "check.h"

static int is_one_of(int result, int a, int b)
{
    return result == a || result == b;
}

/* The facts of the answer stay whatever happens. */
static void facts(ws_conn *conn, int secure)
{
    const char *name = NULL;
    const char *value;
    size_t position, seen = 0;

    CHECK(strcmp(ws_subprotocol(conn), "json") == 0);
    CHECK(ws_response_status(conn) == 101);
    CHECK(strcmp(ws_response_header(conn, "x-test", 0), "one") == 0);
    CHECK(strcmp(ws_response_header(conn, "X-TEST", 1), "two") == 0);
    CHECK(ws_response_header(conn, "X-Test", 2) == NULL);
    CHECK(ws_response_header(conn, "X-Absent", 0) == NULL);
    CHECK(ws_response_header(conn, "x-test", 0) == ws_response_header(conn, "x-test", 0));
    for (position = 0; (value = ws_response_header_at(conn, position, &name)) != NULL; position++) {
        seen += strcmp(name, "x-test") == 0;
        CHECK(name[0] != '\0');
    }
    CHECK(name == NULL && seen == 2 && position >= 5);
    CHECK(strncmp(ws_local_address(conn), "127.0.0.1:", 10) == 0);
    CHECK(strstr(secure ? server_wss : server_ws, strrchr(ws_peer_address(conn), ':')) != NULL);
    if (secure && server_has_tls) {
        CHECK(strcmp(ws_tls_version(conn), "TLSv1.3") == 0);
        CHECK(strncmp(ws_tls_cipher(conn), "TLS13_", 6) == 0);
    } else {
        CHECK(ws_tls_version(conn) == NULL && ws_tls_cipher(conn) == NULL);
    }
}

static ws_conn *connect_to(int secure, const char *path)
{
    ws_dialer *dialer = new_dialer();
    ws_conn *conn;

    EXPECT(WS_OK, ws_dialer_add_subprotocol(dialer, "json", e));
    conn = dial_with(secure ? server_wss : server_ws, path, dialer);
    ws_dialer_free(dialer);
    return conn;
}

/* The connection has ended; `end` is what it answers from now on: WS_CLOSED or the failure. */
static void ended(ws_conn *conn, int end, int close_result)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_batch batch = WS_BATCH_INIT;
    const unsigned char kinds[1] = {WS_TEXT};
    const size_t offsets[2] = {0, 1};
    size_t taken = 7, len = 7;
    int kind = 7, is_final = 7;
    char to[200];
    int round;

    for (round = 0; round < 2; round++) {
        EXPECT(end, ws_recv(conn, WS_NOWAIT, &message, e));
        EXPECT(end, ws_recv(conn, BOUND, &message, e));
        EXPECT(end, ws_recv(conn, WS_FOREVER, &message, e));
        CHECK(message.data == NULL && message.len == 0);
        EXPECT(end, ws_recv_batch(conn, WS_NOWAIT, 0, 0, &batch, e));
        EXPECT(end, ws_recv_batch(conn, WS_FOREVER, 0, 0, &batch, e));
        CHECK(batch.data == NULL && batch.count == 0);
        EXPECT(end, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
        EXPECT(end, ws_send_batch(conn, kinds, "x", offsets, 1, BOUND, &taken, e));
        CHECK(taken == 0);
        EXPECT(end, ws_send_fragment(conn, WS_TEXT, "x", 1, round, BOUND, e));
        EXPECT(end, ws_send_fragment(conn, 0, "x", 1, 1, WS_NOWAIT, e));
        EXPECT(end, ws_recv_into(conn, WS_FOREVER, to, sizeof to, &len, &kind, &is_final, e));
        CHECK(len == 0 && kind == 0 && is_final == 0);
        EXPECT(WS_OK, ws_set_control(conn, round, 1, 1, e));
        EXPECT(end, ws_send(conn, WS_BINARY, NULL, 0, WS_NOWAIT, e));
        EXPECT(end, ws_ping(conn, "x", 1, BOUND, e));
        EXPECT(end, ws_pong(conn, "x", 1, BOUND, e));
        EXPECT(WS_OK, ws_set_max_message(conn, 10, e));
        EXPECT(close_result, ws_close(conn, 1000, "again", BOUND, e));
        EXPECT(close_result, ws_close(conn, 1000, NULL, WS_NOWAIT, e));
    }
    ws_message_free(&message);
    ws_batch_free(&batch);
}

static void open_then_closed(int secure)
{
    ws_conn *conn = connect_to(secure, "/echo");
    ws_message message = WS_MESSAGE_INIT;
    size_t len = 7;

    facts(conn, secure);
    CHECK(ws_close_code(conn) == 0 && ws_close_reason(conn, &len) == NULL && len == 0);
    EXPECT(WS_OK, ws_flush(conn, WS_NOWAIT, e));
    EXPECT(WS_OK, ws_flush(conn, BOUND, e));
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "x", 1, WS_DEFAULT, e));
    EXPECT(WS_OK, ws_recv(conn, WS_DEFAULT, &message, e));
    EXPECT(WS_OK, ws_close(conn, 4000, "enough", WS_DEFAULT, e));
    ended(conn, WS_CLOSED, WS_OK);
    facts(conn, secure);
    CHECK(ws_close_code(conn) == 4000);
    CHECK(ws_close_reason(conn, &len) != NULL);
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* A close frame leaves, and receiving goes on: what came before the peer's answer is not lost. */
static void started_close(int secure)
{
    ws_conn *conn = connect_to(secure, "/echo");
    ws_message message = WS_MESSAGE_INIT;

    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    EXPECT(WS_E_USAGE_CLOSE_CODE, ws_start_close(conn, 1005, NULL, e));
    EXPECT(WS_E_USAGE_CLOSE_REASON, ws_start_close(conn, 0, "why", e));
    EXPECT(WS_OK, ws_start_close(conn, 4000, "enough", e));
    EXPECT(WS_CLOSED, ws_start_close(conn, 4001, NULL, e));
    EXPECT(WS_CLOSED, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(message.len == 1);
    EXPECT(WS_CLOSED, ws_recv(conn, BOUND, &message, e));
    CHECK(ws_close_code(conn) == 4000);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

static void closed_by_the_peer(void)
{
    /* "last", then a close frame: 4001 and a reason with a NUL in it, "a\0b" */
    ws_conn *conn = connect_to(0, "/raw/81046c6173748805" "0fa1610062");
    ws_message message = WS_MESSAGE_INIT;
    const char *reason;
    size_t len = 0;

    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(strcmp(message.data, "last") == 0);
    EXPECT(WS_CLOSED, ws_recv(conn, BOUND, &message, e));
    CHECK(message.data == NULL);
    CHECK(ws_close_code(conn) == 4001);
    reason = ws_close_reason(conn, &len);
    CHECK(len == 3 && memcmp(reason, "a\0b", 4) == 0);
    CHECK(ws_close_reason(conn, NULL) == reason);
    ended(conn, WS_CLOSED, WS_OK);
    facts(conn, 0);
    ws_conn_free(conn);
    ws_message_free(&message);

    /* a close frame without a body is 1005 */
    conn = connect_to(0, "/raw/8800");
    EXPECT(WS_CLOSED, ws_recv(conn, BOUND, &message, e));
    CHECK(ws_close_code(conn) == 1005);
    reason = ws_close_reason(conn, &len);
    CHECK(reason != NULL && reason[0] == '\0' && len == 0);
    ws_conn_free(conn);
}

static void failed_by_the_peer(const char *path, int code, int close_code)
{
    ws_conn *conn = connect_to(0, path);
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;

    EXPECT(WS_OK, ws_set_max_message(conn, 1000, e));
    CHECK(ws_recv(conn, BOUND, &message, &error) == code);
    CHECK(ws_error_close_code(error) == close_code && ws_error_phase(error) == WS_PHASE_RECV);
    CHECK(strstr(ws_error_message(error), "ws://127.0.0.1:") == ws_error_message(error));
    CHECK(ws_close_code(conn) == close_code);
    ended(conn, code, code);
    facts(conn, 0);
    ws_conn_free(conn);
    /* An error outlives its connection. */
    CHECK(ws_error_code(error) == code);
    ws_error_free(error);
    ws_message_free(&message);
}

static void lost(int secure, const char *path)
{
    ws_conn *conn = connect_to(secure, path);
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    int code;

    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    code = ws_recv(conn, BOUND, &message, &error);
    CHECK(is_one_of(code, WS_E_ABNORMAL, WS_E_ABNORMAL_TRUNCATED));
    CHECK(ws_error_close_code(error) == 1006 && ws_close_code(conn) == 1006);
    CHECK(ws_close_reason(conn, NULL) == NULL);
    ended(conn, code, code);
    facts(conn, secure);
    ws_error_free(error);
    ws_conn_free(conn);
    ws_message_free(&message);
}

static void silent(void)
{
    ws_conn *conn = connect_to(0, "/silent");
    ws_message message = WS_MESSAGE_INIT;

    EXPECT(WS_AGAIN, ws_close(conn, 1000, NULL, WS_NOWAIT, e));
    EXPECT(WS_CLOSED, ws_send(conn, WS_TEXT, "late", 4, BOUND, e));
    EXPECT(WS_TIMEOUT, ws_close(conn, 1000, NULL, 50, e));
    EXPECT(WS_TIMEOUT, ws_close(conn, 1000, NULL, BOUND, e));
    CHECK(ws_close_code(conn) == 1006);
    ws_conn_free(conn);

    /* Freed without a close, with bytes inside. */
    conn = connect_to(0, "/silent");
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    open_then_closed(0);
    open_then_closed(1);
    started_close(0);
    started_close(1);
    closed_by_the_peer();
    failed_by_the_peer("/raw/c10178", WS_E_PROTOCOL_RESERVED_BIT, 1002);
    failed_by_the_peer("/raw/8300", WS_E_PROTOCOL_OPCODE, 1002);
    failed_by_the_peer("/raw/8000", WS_E_PROTOCOL_CONTINUATION, 1002);
    failed_by_the_peer("/raw/8102c328", WS_E_UTF8, 1007);
    failed_by_the_peer("/raw/827e03e9", WS_E_LIMIT_MESSAGE, 1009);
    lost(0, "/fin");
    lost(0, "/rst");
    lost(1, "/fin");
    lost(1, "/rst");
    silent();
    return 0;
}
