#include <stdio.h>

#include <wsdial.h>

/* Pings the server and sees its pong. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    ws_message message = WS_MESSAGE_INIT;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        result = ws_set_control(conn, 1, 1, 1, &error);
    if (result == WS_OK)
        result = ws_ping(conn, "42", 2, WS_FOREVER, &error);
    if (result == WS_OK)
        result = ws_recv(conn, 5000, &message, &error);
    if (result == WS_OK && message.kind == WS_PONG)
        printf("the pong says %s\n", message.data);
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_message_free(&message);
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
