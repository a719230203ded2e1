#include <stdio.h>

#include <wsdial.h>

/* Dials where nobody listens, and tells all that is known about it. */
int main(void)
{
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    int result = ws_dial("ws://127.0.0.1:1/", NULL, 5000, &conn, &error);

    if (result == WS_E_CONNECT) {
        printf("%s\n", ws_error_message(error));
        printf("while: %s, errno %d, in words: %s\n", ws_phase_name(ws_error_phase(error)),
               ws_error_os_error(error), ws_strerror(result));
    }
    ws_error_free(error);
    ws_conn_free(conn);
    return result != WS_E_CONNECT;
}
