#include <stdio.h>
#include <signal.h>
#include <unistd.h>

#include <wsdial.h>

static ws_cancel *token;

static void fire(int signal_number)
{
    (void)signal_number;
    ws_cancel_fire(token);
}

/* A signal ends the wait for a message; the connection lives on. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    ws_message message = WS_MESSAGE_INIT;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_cancel_new(&token, &error);
    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        result = ws_set_cancel(conn, token, &error);
    if (result == WS_OK) {
        signal(SIGALRM, fire);
        alarm(1);
        result = ws_recv(conn, WS_FOREVER, &message, &error);
        printf("%s\n", ws_strerror(result));
        if (result == WS_CANCELLED)
            result = ws_set_cancel(conn, NULL, &error);
    }
    if (result == WS_OK)
        result = ws_close(conn, 1000, NULL, WS_DEFAULT, &error);
    ws_message_free(&message);
    ws_cancel_free(token);
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
