/* One message in pieces, each way, and control frames as messages. */

#include "check.h"

/* Receives a message in pieces of at most `room` bytes; returns its length, all of it in `to`. */
static size_t pieced(ws_conn *conn, char *to, size_t most, size_t room, int want)
{
    size_t at = 0, len = 9;
    int kind = 9, is_final = 9;

    do {
        CHECK(at + room <= most);
        EXPECT(WS_OK, ws_recv_into(conn, BOUND, to + at, room, &len, &kind, &is_final, e));
        CHECK(kind == want && len <= room && (is_final == 0 || is_final == 1) && (len > 0 || is_final));
        at += len;
    } while (!is_final);
    return at;
}

static void there_and_back(int secure)
{
    static char sent[300000];
    static char got[sizeof sent + 70000];
    ws_conn *conn = dial(secure, "/echo");
    ws_message message = WS_MESSAGE_INIT;
    size_t at, n, round;
    size_t rooms[] = {7000, 65536};

    for (at = 0; at < sizeof sent; at++) {
        sent[at] = (char)('a' + at % 23);
    }
    for (round = 0; round < 2; round++) {
        for (at = 0; at < sizeof sent; at += n) {
            n = at == 0 ? 1 : at % 7 == 0 ? 60000 : 5000;
            n = n < sizeof sent - at ? n : sizeof sent - at;
            EXPECT(WS_OK, ws_send_fragment(conn, at == 0 || round ? WS_TEXT : 0, sent + at, n, 0, BOUND, e));
            EXPECT(WS_OK, ws_ping(conn, "between", 7, BOUND, e));
        }
        EXPECT(WS_OK, ws_send_fragment(conn, 0, NULL, 0, 1, BOUND, e));
        CHECK(pieced(conn, got, sizeof got, rooms[round], WS_TEXT) == sizeof sent);
        CHECK(memcmp(sent, got, sizeof sent) == 0);
    }
    /* Whole messages before and behind. */
    EXPECT(WS_OK, ws_send_fragment(conn, WS_BINARY, "one", 3, 1, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(message.kind == WS_BINARY && strcmp(message.data, "one") == 0);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "", 0, BOUND, e));
    CHECK(pieced(conn, got, sizeof got, 1, WS_TEXT) == 0);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* What is no moment for a call, and what cannot be. */
static void refused(void)
{
    ws_conn *conn = dial(0, "/echo");
    ws_message message = WS_MESSAGE_INIT;
    char to[200];
    size_t len = 9;
    int kind = 9, is_final = 9;

    EXPECT(WS_E_USAGE_KIND, ws_send_fragment(conn, 0, "x", 1, 0, BOUND, e));
    EXPECT(WS_E_USAGE_KIND, ws_send_fragment(conn, WS_PING, "x", 1, 0, BOUND, e));
    EXPECT(WS_E_USAGE_UTF8, ws_send_fragment(conn, WS_TEXT, "\xff", 1, 0, BOUND, e));
    EXPECT(WS_OK, ws_send_fragment(conn, WS_TEXT, "\xc3", 1, 0, BOUND, e));
    EXPECT(WS_E_USAGE_KIND, ws_send_fragment(conn, WS_BINARY, "\xa4", 1, 1, BOUND, e));
    EXPECT(WS_E_USAGE_UTF8, ws_send_fragment(conn, 0, "", 0, 1, BOUND, e));
    EXPECT(WS_E_USAGE_STATE, ws_send(conn, WS_TEXT, "x", 1, WS_NOWAIT, e));
    EXPECT(WS_TIMEOUT, ws_send(conn, WS_TEXT, "x", 1, 10, e));
    EXPECT(WS_E_USAGE_TIMEOUT, ws_send_fragment(conn, 0, "\xa4", 1, 1, -3, e));
    EXPECT(WS_OK, ws_send_fragment(conn, 0, "\xa4", 1, 1, WS_NOWAIT, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_recv_into(conn, BOUND, to, 0, &len, &kind, &is_final, e));
    EXPECT(WS_OK, ws_recv_into(conn, BOUND, to, 1, &len, &kind, &is_final, e));
    CHECK(len == 1 && kind == WS_TEXT && is_final == 0 && to[0] == '\xc3');
    EXPECT(WS_E_USAGE_STATE, ws_recv(conn, BOUND, &message, e));
    CHECK(message.data == NULL);
    EXPECT(WS_OK, ws_recv_into(conn, BOUND, to, 1, &len, &kind, &is_final, e));
    CHECK(len == 1 && kind == WS_TEXT && is_final == 1 && to[0] == '\xa4');
    EXPECT(WS_AGAIN, ws_recv_into(conn, WS_NOWAIT, to, sizeof to, &len, &kind, &is_final, e));
    CHECK(len == 0 && kind == 0 && is_final == 0);
    EXPECT(WS_E_USAGE_TIMEOUT, ws_recv_into(conn, -3, to, sizeof to, &len, &kind, &is_final, e));
    /* Closed in the middle of a message. */
    EXPECT(WS_OK, ws_send_fragment(conn, WS_TEXT, "begun", 5, 0, BOUND, e));
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    EXPECT(WS_CLOSED, ws_send_fragment(conn, 0, "x", 1, 1, BOUND, e));
    EXPECT(WS_CLOSED, ws_send(conn, WS_TEXT, "x", 1, WS_NOWAIT, e));
    EXPECT(WS_CLOSED, ws_recv_into(conn, BOUND, to, sizeof to, &len, &kind, &is_final, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* "o", a ping "p", "k", a pong "q", a close frame 4001 "bye". */
#define SCRIPT "/raw/01016f" "890170" "80016b" "8a0171" "88050fa1627965"

static void expect(ws_conn *conn, ws_message *message, int kind, const char *data, size_t len)
{
    EXPECT(WS_OK, ws_recv(conn, BOUND, message, e));
    CHECK(message->kind == kind && message->len == len && memcmp(message->data, data, len) == 0);
    CHECK(message->data[len] == '\0');
}

static void control(int by_dialer)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn;
    char to[125];
    size_t len;
    int kind, is_final;

    if (by_dialer) {
        EXPECT(WS_OK, ws_dialer_set_control_delivery(dialer, 1, e));
        EXPECT(WS_OK, ws_dialer_set_auto_pong(dialer, 0, e));
    }
    conn = dial_with(server_ws, SCRIPT, dialer);
    ws_dialer_free(dialer);
    if (!by_dialer) {
        EXPECT(WS_OK, ws_set_control(conn, 1, 0, 0, e));
    }
    expect(conn, &message, WS_PING, "p", 1);
    EXPECT(WS_OK, ws_pong(conn, "p", 1, BOUND, e));
    expect(conn, &message, WS_TEXT, "ok", 2);
    EXPECT(WS_E_USAGE_LENGTH, ws_recv_into(conn, BOUND, to, 124, &len, &kind, &is_final, e));
    EXPECT(WS_OK, ws_recv_into(conn, BOUND, to, 125, &len, &kind, &is_final, e));
    CHECK(len == 1 && kind == WS_PONG && is_final == 1 && to[0] == 'q');
    expect(conn, &message, WS_CLOSE, "\x0f\xa1" "bye", 5);
    CHECK(ws_close_code(conn) == 4001 && strcmp(ws_close_reason(conn, NULL), "bye") == 0);
    EXPECT(by_dialer ? WS_CLOSED : WS_OK, ws_send(conn, WS_TEXT, "last", 4, BOUND, e));
    EXPECT(WS_CLOSED, ws_recv(conn, BOUND, &message, e));
    EXPECT(WS_OK, ws_close(conn, 4002, NULL, BOUND, e));
    EXPECT(WS_CLOSED, ws_send(conn, WS_TEXT, "late", 4, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    there_and_back(0);
    there_and_back(1);
    refused();
    control(0);
    control(1);
    return 0;
}
