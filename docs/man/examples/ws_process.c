#include <stdio.h>
#include <poll.h>

#include <wsdial.h>

/* One turn after the other of a loop of the caller's own. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    ws_message message = WS_MESSAGE_INIT;
    struct pollfd waiting;
    int wants;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        result = ws_send(conn, WS_TEXT, "hello", 5, WS_FOREVER, &error);
    while (result >= 0) {
        result = ws_process(conn, &error);
        if (result >= 0)
            result = ws_recv(conn, WS_NOWAIT, &message, &error);
        if (result != WS_AGAIN)
            break; /* WS_OK: a message */
        wants = ws_wants(conn);
        waiting.fd = (int)ws_fd(conn);
        waiting.events = (short)((wants & WS_WANT_READ ? POLLIN : 0) | (wants & WS_WANT_WRITE ? POLLOUT : 0));
        if (!(wants & WS_WANT_BUFFERED))
            poll(&waiting, 1, ws_timeout(conn));
    }
    if (result == WS_OK)
        printf("%s\n", message.data);
    ws_message_free(&message);
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
