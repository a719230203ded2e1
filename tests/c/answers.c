/* Redirects and cookies: over a dial, over a socket and over memory, with a jar that is asked and told. */

#include "socket.h"

struct jar {
    const char *cookies;
    int load_result;
    int asked, told;
    char first_asked[256];
    char last_asked[256];
    char last_told[64];
};

static int load(const char *url, char *value, size_t room, void *user)
{
    struct jar *jar = user;

    if (jar->asked++ == 0) {
        snprintf(jar->first_asked, sizeof jar->first_asked, "%s", url);
    }
    snprintf(jar->last_asked, sizeof jar->last_asked, "%s", url);
    if (jar->load_result) {
        return jar->load_result < 0 ? -1 : (int)room;
    }
    return snprintf(value, room, "%s", jar->cookies);
}

static void store(const char *url, const char *set_cookie, void *user)
{
    struct jar *jar = user;

    CHECK(strncmp(url, "http://127.0.0.1:", 17) == 0 || strncmp(url, "https://localhost:", 18) == 0);
    jar->told++;
    snprintf(jar->last_told, sizeof jar->last_told, "%s", set_cookie);
}

static ws_dialer *following(int most, struct jar *jar)
{
    ws_dialer *dialer = new_dialer();

    EXPECT(WS_OK, ws_dialer_set_max_redirects(dialer, most, e));
    EXPECT(WS_OK, ws_dialer_set_cookie_hooks(dialer, load, store, jar, e));
    return dialer;
}

static void followed(const char *server)
{
    struct jar jar = {"x=1", 0, 0, 0, "", "", ""};
    ws_dialer *dialer = following(2, &jar);
    ws_conn *conn = dial_with(server, "/to/to/echo", dialer);
    const char *url;
    char want[256];
    int status = 0;

    url_of(want, sizeof want, server, "/echo");
    CHECK(strcmp(ws_url(conn), want) == 0);
    url_of(want, sizeof want, server, "/to/to/echo");
    url = ws_redirect(conn, 0, &status);
    CHECK(status == 302 && strcmp(url, want) == 0);
    CHECK(ws_redirect(conn, 0, NULL) == url && ws_redirect(conn, 1, &status) != NULL);
    CHECK(ws_redirect(conn, 2, &status) == NULL && status == 0);
    CHECK(ws_redirect(conn, (size_t)-1, NULL) == NULL);
    CHECK(jar.asked == 3 && jar.told == 2 && strcmp(jar.last_told, "a=1") == 0);
    CHECK(strncmp(jar.first_asked, "http", 4) == 0 && strstr(jar.first_asked, "/to/to/echo") != NULL);
    CHECK(strcmp(ws_response_header(conn, "X-Cookie", 0), "3") == 0);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

/* Longer than the room that is offered first, and none at all. */
static void rooms(void)
{
    static char cookies[20001];
    struct jar jar = {cookies, 0, 0, 0, "", "", ""};
    ws_dialer *dialer = following(0, &jar);
    ws_conn *conn = NULL;
    size_t len;

    for (len = 4095; len <= 4097; len++) {
        char want[16];

        memset(cookies, 'c', len);
        cookies[len] = '\0';
        conn = dial_with(server_ws, "/echo", dialer);
        snprintf(want, sizeof want, "%u", (unsigned)len);
        CHECK(strcmp(ws_response_header(conn, "X-Cookie", 0), want) == 0);
        ws_conn_free(conn);
    }
    cookies[0] = '\0';
    conn = dial_with(server_ws, "/echo", dialer);
    CHECK(ws_response_header(conn, "X-Cookie", 0) == NULL);
    ws_conn_free(conn);
    jar.load_result = -1;
    conn = dial_with(server_ws, "/echo", dialer);
    CHECK(ws_response_header(conn, "X-Cookie", 0) == NULL);
    ws_conn_free(conn);
    /* One that always wants more is believed no more. */
    jar.load_result = 1;
    jar.asked = 0;
    conn = dial_with(server_ws, "/echo", dialer);
    CHECK(ws_response_header(conn, "X-Cookie", 0) == NULL && jar.asked <= 4);
    ws_conn_free(conn);
    /* Either hook may be missing. */
    jar.load_result = 0;
    jar.told = 0;
    EXPECT(WS_OK, ws_dialer_set_max_redirects(dialer, 1, e));
    EXPECT(WS_OK, ws_dialer_set_cookie_hooks(dialer, NULL, store, &jar, e));
    conn = dial_with(server_ws, "/to/echo", dialer);
    CHECK(jar.told == 1);
    ws_conn_free(conn);
    EXPECT(WS_OK, ws_dialer_set_cookie_hooks(dialer, load, NULL, &jar, e));
    conn = dial_with(server_ws, "/to/echo", dialer);
    CHECK(jar.told == 1);
    ws_conn_free(conn);
    jar.cookies = "a=1\nb: c";
    EXPECT(WS_E_OPTION_HEADER, ws_dial(server_ws, dialer, BOUND, &conn, e));
    ws_dialer_free(dialer);
}

static void limits(void)
{
    ws_dialer *dialer = ws_dialer_new();
    ws_error *error = NULL;
    ws_conn *conn;
    char url[256];
    int status = 0;

    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_max_redirects(dialer, -1, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_max_redirects(dialer, 21, e));
    EXPECT(WS_OK, ws_dialer_set_max_redirects(dialer, 20, e));
    EXPECT(WS_OK, ws_dialer_set_max_redirects(dialer, 1, e));
    url_of(url, sizeof url, server_ws, "/to/to/echo");
    CHECK(ws_dial(url, dialer, BOUND, &conn, &error) == WS_E_REDIRECT_LIMIT && conn == NULL);
    CHECK(ws_error_http_status(error) == 302 && ws_error_http_header(error, "location", 0) != NULL);
    CHECK(strcmp(ws_error_redirect(error, 0, &status), url) == 0 && status == 302);
    CHECK(ws_error_redirect(error, 1, NULL) != NULL && ws_error_redirect(error, 2, &status) == NULL && status == 0);
    url_of(url, sizeof url, server_ws, "/echo");
    CHECK(strcmp(ws_error_location(error), url) == 0);
    ws_error_free(error);
    ws_dialer_free(dialer);
}

/* Who brings the socket connects again, with a dialer that knows the way. */
static void sockets(void)
{
    struct jar jar = {"x=1", 0, 0, 0, "", "", ""};
    ws_dialer *dialer = following(1, &jar), *next = NULL, *none = NULL;
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    char url[256];
    int fd = connected(server_ws);

    url_of(url, sizeof url, server_ws, "/to/echo");
    CHECK(ws_dial_fd(fd, url, dialer, BOUND, &conn, &error) == WS_E_REDIRECT && conn == NULL);
    CHECK(jar.asked == 1 && jar.told == 1);
    close(fd);
    EXPECT(WS_OK, ws_dialer_follow(dialer, error, &next, e));
    ws_dialer_free(dialer);
    fd = connected(server_ws);
    EXPECT(WS_OK, ws_dial_fd(fd, ws_error_location(error), next, BOUND, &conn, e));
    ws_error_free(error);
    CHECK(jar.asked == 2 && ws_redirect(conn, 0, NULL) != NULL && strcmp(ws_redirect(conn, 0, NULL), url) == 0);
    ws_conn_free(conn);
    /* It has followed as many as it may. */
    fd = connected(server_ws);
    error = NULL;
    CHECK(ws_dial_fd(fd, url, next, BOUND, &conn, &error) == WS_E_REDIRECT_LIMIT);
    close(fd);
    EXPECT(WS_E_USAGE_STATE, ws_dialer_follow(next, error, &none, e));
    CHECK(none == NULL);
    ws_error_free(error);
    ws_dialer_free(next);
}

/* Byte by byte over memory: the hooks run where the handshake does. */
static void memory(void)
{
    static const char answer[] = "HTTP/1.1 307 Over There\r\nSet-Cookie: m=1\r\nLocation: //other.example/x?y\r\n\r\n";
    struct jar jar = {"x=1", 0, 0, 0, "", "", ""};
    ws_dialer *dialer = following(1, &jar);
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    size_t i, room, len;

    EXPECT(WS_AGAIN, ws_dial_memory("ws://127.0.0.1:1/a", dialer, &conn, e));
    CHECK(jar.asked == 1 && jar.told == 0);
    CHECK(ws_output(conn, &len) != NULL && len > 0);
    EXPECT(WS_OK, ws_output_done(conn, len, e));
    for (i = 0; i < sizeof answer - 1; i++) {
        char *input = ws_input(conn, &room);

        CHECK(input != NULL && room > 0 && jar.told == 0);
        *input = answer[i];
        EXPECT(WS_OK, ws_input_done(conn, 1, e));
        if (i + 1 < sizeof answer - 1) {
            EXPECT(WS_AGAIN, ws_handshake(conn, WS_NOWAIT, e));
        }
    }
    CHECK(ws_handshake(conn, WS_NOWAIT, &error) == WS_E_REDIRECT);
    CHECK(jar.told == 1 && strcmp(jar.last_told, "m=1") == 0);
    CHECK(strcmp(ws_error_location(error), "ws://other.example/x?y") == 0);
    CHECK(strstr(ws_error_message(error), "ws://other.example:80") != NULL);
    ws_error_free(error);
    EXPECT(WS_E_REDIRECT, ws_handshake(conn, WS_NOWAIT, e));
    CHECK(jar.told == 1);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

static uint64_t figure(ws_conn *conn, int id)
{
    uint64_t out = 7;

    EXPECT(WS_OK, ws_stat(conn, id, &out, e));
    return out;
}

/* Figures, and the text that explains, over both transports. */
static void explained(const char *server, const char *verdict)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    const char *text;
    char url[256];
    uint64_t out = 7;

    EXPECT(WS_OK, ws_dialer_set_transcript(dialer, 1, e));
    conn = dial_with(server, "/echo", dialer);
    text = ws_transcript(conn);
    CHECK(text != NULL && strstr(text, "> GET /echo HTTP/1.1\n") != NULL && strstr(text, verdict) != NULL);
    CHECK(ws_transcript(conn) == text && text[strlen(text) - 1] != '\n');
    CHECK(figure(conn, WS_STAT_CONNECT) > 0 && figure(conn, WS_STAT_HANDSHAKE) > 0 && figure(conn, WS_STAT_PROXY) == 0);
    CHECK((figure(conn, WS_STAT_TLS) > 0) == (server == server_wss));
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "hello", 5, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    EXPECT(WS_OK, ws_ping(conn, NULL, 0, BOUND, e));
    CHECK(figure(conn, WS_STAT_MESSAGES_SENT) == 1 && figure(conn, WS_STAT_MESSAGES_RECEIVED) == 1);
    CHECK(figure(conn, WS_STAT_BYTES_SENT) == 5 && figure(conn, WS_STAT_BYTES_RECEIVED) == 5);
    CHECK(figure(conn, WS_STAT_FRAMES_SENT) == 2 && figure(conn, WS_STAT_FRAMES_RECEIVED) == 1);
    CHECK(figure(conn, WS_STAT_PINGS_SENT) == 1 && figure(conn, WS_STAT_PINGS_RECEIVED) == 0);
    CHECK(figure(conn, WS_STAT_PONGS_SENT) == 0 && figure(conn, WS_STAT_ROUND_TRIP) == 0);
    CHECK(figure(conn, WS_STAT_WIRE_SENT) > 150 && figure(conn, WS_STAT_WIRE_RECEIVED) > 100);
    EXPECT(WS_E_OPTION_VALUE, ws_stat(conn, WS_STAT_PONGS_RECEIVED + 1, &out, e));
    CHECK(out == 0);
    ws_message_free(&message);
    ws_conn_free(conn);
    url_of(url, sizeof url, server, "/reject");
    CHECK(ws_dial(url, dialer, BOUND, &conn, &error) == WS_E_REJECTED);
    text = ws_error_transcript(error);
    CHECK(text != NULL && strstr(text, "  < go away") != NULL && strstr(text, "FAILED  the status is 101") != NULL);
    CHECK(ws_error_transcript(error) == text);
    ws_error_free(error);
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    followed(server_ws);
    if (server_has_tls) {
        followed(server_wss);
    }
    explained(server_ws, "  open");
    if (server_has_tls) {
        explained(server_wss, "certificate verified for localhost");
    }
    rooms();
    limits();
    sockets();
    memory();
    return 0;
}
