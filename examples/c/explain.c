/* Shows what a dial does: explain [url [ca.pem]]. Prints the transcript of the handshake, of one that fails too, in
 * colour on a terminal. The text itself is plain: this program adds the colours. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wsdial.h>

static const char *colour_of(const char *line)
{
    if (strncmp(line, "  > ", 4) == 0)
        return "\033[36m";
    if (strncmp(line, "  <", 3) == 0)
        return "\033[35m";
    if (strncmp(line, "  ok ", 5) == 0 || strcmp(line, "  open") == 0)
        return "\033[32m";
    if (strncmp(line, "  FAILED", 8) == 0)
        return "\033[1;31m";
    return line[0] != ' ' ? "\033[1m" : "";
}

static void print(const char *text)
{
    int colours = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char line[512];

        snprintf(line, sizeof line, "%.*s", (int)len, text);
        printf("%s%s%s\n", colours ? colour_of(line) : "", line, colours ? "\033[0m" : "");
        text += len + (text[len] == '\n');
    }
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://localhost:12345";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    int result = ws_dialer_set_transcript(dialer, 1, &error);

    if (result == WS_OK)
        result = ws_dialer_set_max_redirects(dialer, 10, &error);
    if (result == WS_OK)
        result = ws_dialer_add_subprotocol(dialer, "json", &error);
    if (result == WS_OK && argc > 2)
        result = ws_dialer_add_ca_file(dialer, argv[2], &error);
    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK) {
        print(ws_transcript(conn));
        result = ws_close(conn, 1000, NULL, WS_DEFAULT, &error);
    } else if (ws_error_transcript(error) != NULL) {
        print(ws_error_transcript(error));
    }
    if (result < 0)
        fprintf(stderr, "%s\n", ws_error_message(error));
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    ws_error_free(error);
    return result == WS_OK ? 0 : 1;
}
