/* Dials, negotiates a subprotocol, sends, receives, closes. usage: quickstart [url [ca.pem]] */
#include <stdio.h>
#include <string.h>
#include "wsdial.h"

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://localhost:12345";
    const char *text = "{\"hello\":\"wsdial\"}";
    ws_message message = WS_MESSAGE_INIT;
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    int result = ws_dialer_add_subprotocol(dialer, "json", &error);

    if (result == WS_OK && argc > 2)
        result = ws_dialer_add_ca_file(dialer, argv[2], &error);
    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK) {
        printf("negotiated protocol: \"%s\"\n", ws_subprotocol(conn));
        result = ws_send(conn, WS_TEXT, text, strlen(text), WS_FOREVER, &error);
    }
    if (result == WS_OK)
        result = ws_recv(conn, 5000, &message, &error);
    if (result == WS_OK) {
        printf("received: %s\n", message.data);
        result = ws_close(conn, 1000, "", WS_DEFAULT, &error);
    }
    if (result == WS_OK)
        printf("closed cleanly: %d\n", ws_close_code(conn));
    else
        fprintf(stderr, "quickstart: %s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_message_free(&message);
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result == WS_OK ? 0 : 1;
}
