#include <stdio.h>

#include <wsdial.h>

/* Sends a message in two pieces and takes what comes back in pieces of five bytes at the most. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    char piece[5];
    size_t len;
    int kind, is_final = 0;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        result = ws_send_fragment(conn, WS_TEXT, "one message, ", 13, 0, WS_FOREVER, &error);
    if (result == WS_OK)
        result = ws_send_fragment(conn, 0, "two pieces", 10, 1, WS_FOREVER, &error);
    while (result == WS_OK && !is_final) {
        result = ws_recv_into(conn, 5000, piece, sizeof piece, &len, &kind, &is_final, &error);
        printf("%.*s%s", (int)len, piece, is_final ? "\n" : "|");
    }
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
