/* A program outside the tree: C and C++ both. With an address it dials, else it only shows that it is linked. */

#include <stdio.h>
#include <string.h>

#include <wsdial.h>

int main(int argc, char **argv)
{
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    int result;

    if (ws_version_number() != WS_VERSION_NUMBER) {
        fprintf(stderr, "the library is %s and the header another version\n", ws_version());
        return 1;
    }
    result = ws_dial(argc > 1 ? argv[1] : "ws://127.0.0.1:1/", NULL, 5000, &conn, &error);
    if (argc == 1 && result == WS_E_CONNECT && strstr(ws_error_message(error), "127.0.0.1:1") != NULL)
        result = WS_OK;
    if (result != WS_OK)
        fprintf(stderr, "%d: %s\n", result, error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    return result == WS_OK ? 0 : 1;
}
