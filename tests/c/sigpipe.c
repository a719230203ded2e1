/* A plain C host does not ignore SIGPIPE: a peer that vanishes must come out as a failure, not as the end of the
 * process. Plain and TLS, by a reset and by a plain end; every way of writing. */

#include <signal.h>

#include "check.h"

enum how { SENDING, PINGING, PONGING, CLOSING };

static int write_once(ws_conn *conn, enum how how)
{
    static const char block[70000];

    switch (how) {
    case SENDING:
        return ws_send(conn, WS_BINARY, block, sizeof block, BOUND, NULL);
    case PINGING:
        return ws_ping(conn, "x", 1, BOUND, NULL);
    case PONGING:
        return ws_pong(conn, "x", 1, BOUND, NULL);
    default:
        return ws_close(conn, 1000, NULL, 500, NULL);
    }
}

static void vanish(int secure, const char *path, enum how how)
{
    ws_conn *conn = dial(secure, path);
    ws_message message = WS_MESSAGE_INIT;
    int result = WS_OK, round, recv_result;

    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "now go", 6, BOUND, e));
    for (round = 0; round < 100000 && result >= 0; round++) {
        result = write_once(conn, how);
        if (how == CLOSING) {
            break;
        }
    }
    if (how != CLOSING) {
        CHECK(result < 0);
    }
    recv_result = ws_recv(conn, BOUND, &message, NULL);
    CHECK(recv_result < 0);
    CHECK(write_once(conn, how) < 0 || how == CLOSING);
    result = ws_close(conn, 1000, NULL, 500, NULL);
    CHECK(result < 0);
    result = ws_flush(conn, 500, NULL);
    CHECK(result <= WS_OK);
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* The peer is gone and nobody has noticed: the first that writes is ws_conn_free. */
static void freed(int secure, const char *path)
{
    ws_conn *conn = dial(secure, path);

    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "now go", 6, BOUND, e));
    ws_conn_free(conn);
}

int main(int argc, char **argv)
{
    struct sigaction action;
    int secure;

    start(argc, argv);
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0);
    action.sa_handler = SIG_DFL;
    CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
    for (secure = 0; secure < 2; secure++) {
        vanish(secure, "/rst", SENDING);
        vanish(secure, "/rst", PINGING);
        vanish(secure, "/rst", PONGING);
        vanish(secure, "/rst", CLOSING);
        vanish(secure, "/fin", SENDING);
        freed(secure, "/rst");
        freed(secure, "/fin");
    }
    /* The library has changed nothing about the signal. */
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    return 0;
}
