/* The echo client that the Autobahn testsuite drives, through the C ABI: client ws://HOST:PORT AGENT [--misbehave]
 * With --misbehave it takes the last byte off every binary message: the comparison has to notice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsdial.h"

/* Longer than any case of the suite waits for anything. */
enum { PATIENCE_MS = 60000 };

static ws_dialer *dialer;
static const char *base;
static int misbehaves;

/* Dials a target of the server; NULL, and a line for people, when that fails. */
static ws_conn *dial(const char *target) {
    char url[500];
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    snprintf(url, sizeof url, "%s%s", base, target);
    if (ws_dial(url, dialer, PATIENCE_MS, &conn, &error) != WS_OK) fprintf(stderr, "%s\n", ws_error_message(error));
    ws_error_free(error);
    return conn;
}

/* Echoes until the connection ends, in whatever way: the server is the judge. Answers whether it ended by itself. */
static int echo(ws_conn *conn) {
    ws_message message = WS_MESSAGE_INIT;
    int result;
    while ((result = ws_recv(conn, PATIENCE_MS, &message, NULL)) == WS_OK) {
        size_t len = message.len;
        if (misbehaves && message.kind == WS_BINARY && len > 0) len--;
        if (ws_send(conn, message.kind, message.data, len, PATIENCE_MS, NULL) == WS_TIMEOUT) break;
    }
    ws_message_free(&message);
    /* After the peer's close this waits for it to end the TCP connection, as RFC 6455 7.1.1 wishes. */
    (void)ws_close(conn, 1000, NULL, WS_DEFAULT, NULL);
    return result != WS_TIMEOUT && result != WS_OK;
}

static int case_count(void) {
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = dial("/getCaseCount");
    int count = -1;
    if (conn && ws_recv(conn, PATIENCE_MS, &message, NULL) == WS_OK) count = atoi(message.data);
    if (conn) (void)echo(conn);
    ws_message_free(&message);
    ws_conn_free(conn);
    return count;
}

int main(int argc, char **argv) {
    char target[300];
    ws_conn *conn;
    int count, i, lost = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: client ws://HOST:PORT AGENT [--misbehave]\n");
        return 2;
    }
    base = argv[1];
    misbehaves = argc > 3 && strcmp(argv[3], "--misbehave") == 0;
    dialer = ws_dialer_new();
    if (!dialer || ws_dialer_set_max_message(dialer, 0, NULL) != WS_OK ||
        ws_dialer_set_compression(dialer, 1, NULL) != WS_OK ||
        ws_dialer_set_compression_level(dialer, 0, 0, 0, NULL) != WS_OK)
        return 1;
    count = case_count();
    if (count < 0) return 1;
    for (i = 1; i <= count; i++) {
        snprintf(target, sizeof target, "/runCase?case=%d&agent=%s", i, argv[2]);
        conn = dial(target);
        if (!conn || !echo(conn)) {
            fprintf(stderr, "case number %d did not come to an end\n", i);
            lost++;
        }
        ws_conn_free(conn);
    }
    snprintf(target, sizeof target, "/updateReports?agent=%s", argv[2]);
    conn = dial(target);
    if (!conn || !echo(conn)) lost++;
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return lost > 0;
}
