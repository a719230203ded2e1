/* Plays ping-pong with an echo server: argv[1] is its address, argv[2] how many messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsdial.h"

static void fail(const char *what, ws_error *error) {
    fprintf(stderr, "%s: %s\n", what, error ? ws_error_message(error) : "not as it should be");
    exit(1);
}

int main(int argc, char **argv) {
    ws_conn *conn;
    ws_error *error;
    ws_message message = WS_MESSAGE_INIT;
    int n, count = argc > 2 ? atoi(argv[2]) : 0;
    if (argc < 3 || ws_dial(argv[1], NULL, 5000, &conn, &error) != WS_OK) fail("dial", argc < 3 ? NULL : error);
    for (n = 0; n < count; n++) {
        if (ws_send(conn, WS_TEXT, "small message", 13, WS_FOREVER, &error) != WS_OK) fail("send", error);
        if (ws_recv(conn, WS_FOREVER, &message, &error) != WS_OK || message.len != 13) fail("receive", error);
    }
    if (ws_close(conn, 1000, NULL, 5000, &error) != WS_OK) fail("close", error);
    ws_message_free(&message);
    ws_conn_free(conn);
    return 0;
}
