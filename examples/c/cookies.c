/* A session over two dials: cookies [url]. The server sets a cookie with its answer, the next dial brings it back. The
 * jar holds one cookie in memory and knows one server; a real one matches domains, paths and ages (RFC 6265). */

#include <stdio.h>
#include <string.h>
#include <wsdial.h>

struct jar {
    char cookie[256]; /* name=value, or "" */
};

/* As snprintf: how long the value is, however much of it fits into room. */
static int load(const char *url, char *value, size_t room, void *user)
{
    const struct jar *jar = user;

    printf("asked for %s: \"%s\"\n", strncmp(url, "https:", 6) == 0 ? "https" : "http", jar->cookie);
    return snprintf(value, room, "%s", jar->cookie);
}

static void store(const char *url, const char *set_cookie, void *user)
{
    struct jar *jar = user;
    /* Attributes (Path, HttpOnly and the like) stand behind the first semicolon. */
    int len = (int)strcspn(set_cookie, ";");

    (void)url;
    snprintf(jar->cookie, sizeof jar->cookie, "%.*s", len, set_cookie);
    printf("stored: \"%s\"\n", jar->cookie);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://localhost:12345";
    struct jar jar = {""};
    ws_dialer *dialer = ws_dialer_new();
    ws_error *error = NULL;
    int result = ws_dialer_set_cookie_hooks(dialer, load, store, &jar, &error);
    int visit;

    for (visit = 1; visit <= 2 && result == WS_OK; visit++) {
        ws_conn *conn = NULL;

        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
        if (result == WS_OK) {
            const char *visits = ws_response_header(conn, "X-Visits", 0);

            printf("visit %s\n", visits ? visits : "?");
            result = ws_close(conn, 1000, NULL, WS_DEFAULT, &error);
        }
        ws_conn_free(conn);
    }
    if (result < 0)
        fprintf(stderr, "%s\n", ws_error_message(error));
    ws_dialer_free(dialer);
    ws_error_free(error);
    return result == WS_OK ? 0 : 1;
}
