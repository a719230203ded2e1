#include <stdio.h>

#include <wsdial.h>

/* Offers two subprotocols, asks with a header, and takes no message over a MiB. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dialer_add_subprotocol(dialer, "v2.bin", &error);
    if (result == WS_OK)
        result = ws_dialer_add_subprotocol(dialer, "json", &error);
    if (result == WS_OK)
        result = ws_dialer_add_header(dialer, "Authorization", "Bearer 4f2a", &error);
    if (result == WS_OK)
        result = ws_dialer_set_max_message(dialer, 1 << 20, &error);
    if (result == WS_OK)
        result = ws_dialer_set_compression(dialer, 1, &error);
    if (result == WS_OK)
        result = ws_dialer_set_keepalive(dialer, 20000, 20000, &error);
    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        printf("the server picked \"%s\" and \"%s\"\n", ws_subprotocol(conn), ws_extensions(conn));
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
