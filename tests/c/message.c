/* Results, ownership and the memory of a message. */

#include "check.h"

/* Frozen: a program that was compiled with today's header runs with any later library. */
typedef char size_is_frozen[sizeof(ws_message) == (sizeof(void *) == 8 ? 56 : 32) ? 1 : -1];

static void nothing(const ws_message *message)
{
    CHECK(message->data == NULL && message->len == 0 && message->kind == 0);
}

static void echo(ws_conn *conn, ws_message *message, int kind, const char *data, size_t len)
{
    EXPECT(WS_OK, ws_send(conn, kind, data, len, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, message, e));
    CHECK(message->kind == kind && message->len == len);
    CHECK(memcmp(message->data, data, len) == 0);
    CHECK(message->data[len] == '\0');
}

/* The same struct, the same memory; what was received outlives the connection. */
static void reuse(int secure)
{
    ws_conn *conn = dial(secure, "/echo");
    ws_message message = WS_MESSAGE_INIT;
    const char *first;
    char large[5000];
    char sent[] = "neither changed nor kept";

    echo(conn, &message, WS_TEXT, "hello, wörld", strlen("hello, wörld"));
    first = message.data;
    echo(conn, &message, WS_BINARY, "a\0b", 3);
    CHECK(message.data == first);
    echo(conn, &message, WS_TEXT, "", 0);
    CHECK(message.data != NULL);
    memset(large, 'L', sizeof large);
    echo(conn, &message, WS_BINARY, large, sizeof large);
    EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
    nothing(&message);
    EXPECT(WS_TIMEOUT, ws_recv(conn, 20, &message, e));
    nothing(&message);
    EXPECT(WS_E_USAGE_TIMEOUT, ws_recv(conn, -3, &message, e));
    nothing(&message);
    echo(conn, &message, WS_TEXT, sent, sizeof sent - 1);
    memset(sent, 0, sizeof sent);
    EXPECT(WS_OK, ws_close(conn, 1000, "done", BOUND, e));
    ws_conn_free(conn);
    CHECK(strcmp(message.data, "neither changed nor kept") == 0);
    ws_message_free(&message);
    nothing(&message);
    ws_message_free(&message);
}

/* A struct that was never filled, one made by memset, and one that is used on after it was freed. */
static void lives(void)
{
    ws_conn *conn = dial(0, "/echo");
    ws_message never = WS_MESSAGE_INIT;
    ws_message message;

    ws_message_free(&never);
    memset(&message, 0, sizeof message);
    EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
    echo(conn, &message, WS_TEXT, "one", 3);
    ws_message_free(&message);
    echo(conn, &message, WS_TEXT, "two", 3);
    /* Two at once, each with its own memory. */
    echo(conn, &never, WS_TEXT, "three", 5);
    CHECK(strcmp(message.data, "two") == 0 && strcmp(never.data, "three") == 0);
    EXPECT(WS_OK, ws_close(conn, 0, NULL, BOUND, e));
    EXPECT(WS_CLOSED, ws_recv(conn, BOUND, &message, e));
    nothing(&message);
    ws_conn_free(conn);
    ws_message_free(&message);
    ws_message_free(&never);
}

/* A large message, then small ones: all arrive, whatever the memory does meanwhile. */
static void large_and_small(int secure)
{
    ws_conn *conn = dial(secure, "/big/3000000,1,0,70000");
    ws_message message = WS_MESSAGE_INIT;
    static const size_t sizes[] = {3000000, 1, 0, 70000};
    size_t i, n;

    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
        CHECK(message.kind == WS_BINARY && message.len == sizes[i] && message.data[message.len] == '\0');
        for (n = 0; n < message.len; n++) {
            CHECK(message.data[n] == 'x');
        }
    }
    for (i = 0; i < 40; i++) {
        echo(conn, &message, WS_TEXT, "small", 5);
    }
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* A part of a message that has come is not lost by a timeout, nor shown. */
static void parts(void)
{
    /* "hel" without FIN, and nothing more */
    ws_conn *conn = dial(0, "/raw/010368656c");
    ws_message message = WS_MESSAGE_INIT;

    EXPECT(WS_TIMEOUT, ws_recv(conn, 20, &message, e));
    nothing(&message);
    EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
    nothing(&message);
    ws_message_free(&message);
    EXPECT(WS_TIMEOUT, ws_recv(conn, 20, &message, e));
    ws_conn_free(conn);
    ws_message_free(&message);

    /* "hel" and "lo" in two frames, and a ping between them */
    conn = dial(0, "/raw/010368656c890080026c6f");
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(strcmp(message.data, "hello") == 0 && message.kind == WS_TEXT);
    ws_conn_free(conn);
    ws_message_free(&message);
}

int main(int argc, char **argv)
{
    size_is_frozen *unused = NULL;

    (void)unused;
    start(argc, argv);
    reuse(0);
    reuse(1);
    lives();
    large_and_small(0);
    large_and_small(1);
    parts();
    return 0;
}
