#include <stdio.h>

#include <wsdial.h>

/* Prints what was agreed on. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    const char *name, *value;
    size_t position;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK) {
        printf("%s to %s\n", ws_local_address(conn), ws_peer_address(conn));
        for (position = 0; (value = ws_response_header_at(conn, position, &name)) != NULL; position++)
            printf("%s: %s\n", name, value);
    }
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
