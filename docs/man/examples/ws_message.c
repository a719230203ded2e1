#include <stdio.h>

#include <wsdial.h>

/* One message's memory serves a whole conversation. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    ws_message message = WS_MESSAGE_INIT;
    int i;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    for (i = 0; i < 3 && result == WS_OK; i++) {
        result = ws_send(conn, WS_TEXT, "again", 5, WS_FOREVER, &error);
        if (result == WS_OK)
            result = ws_recv(conn, 5000, &message, &error);
        if (result == WS_OK)
            printf("%lu bytes\n", (unsigned long)message.len);
    }
    ws_message_free(&message);
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
