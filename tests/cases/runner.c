/* Runs cases.txt through the C ABI: runner cases.txt wsdial.h PORT [NAME]. README.md has the format. Says each case that
 * does not come out as it must, and how many did. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsdial.h"

enum { BOUND_MS = 5000, LINE = 1000, STEPS = 16, BYTES = 200000 };

/* One case, as lines. */
struct test {
    char name[LINE], url[2 * LINE];
    char offers[STEPS][LINE], headers[STEPS][LINE], client[STEPS][LINE];
    size_t limit;
    int offers_len, headers_len, client_len;
};

static char *header_text;
static const char *port;
static int passed, failed;

static void die(const char *what, const char *which)
{
    fprintf(stderr, "runner: %s: %s\n", what, which);
    exit(2);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);

    if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) {
        die("cannot read", path);
    }
    fclose(file);
    return text;
}

/* The name in wsdial.h of a failure's number. */
static void name_of(int code, char *name)
{
    const char *at = header_text;
    char number[20];

    sprintf(number, "(%d)", code);
    while ((at = strstr(at, "#define WS_E_")) != NULL) {
        char word[100], value[100];

        if (sscanf(at, "#define %99s %99s", word, value) == 2 && strcmp(value, number) == 0) {
            strcpy(name, word);
            return;
        }
        at++;
    }
    sprintf(name, "%d", code);
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10;
}

static size_t quoted(const char **text, char *to)
{
    size_t len = 0;
    const char *at = *text + 1;

    for (; *at != '"'; at++) {
        if (*at == '\0') {
            die("no end of a quoted text", *text);
        }
        if (*at != '\\') {
            to[len++] = *at;
            continue;
        }
        at++;
        switch (*at) {
        case 'r': to[len++] = '\r'; break;
        case 'n': to[len++] = '\n'; break;
        case 't': to[len++] = '\t'; break;
        case 'x': to[len++] = (char)(hex(at[1]) * 16 + hex(at[2])); at += 2; break;
        default: to[len++] = *at;
        }
    }
    *text = at + 1;
    return len;
}

/* What a list of tokens stands for. */
static size_t read_bytes(const char *text, char *to)
{
    size_t len = 0;

    while (*text) {
        char *end;
        unsigned long times;

        if (*text == ' ') {
            text++;
        } else if (*text == '"') {
            len += quoted(&text, to + len);
        } else if (times = strtoul(text, &end, 10), *end == '*') {
            memset(to + len, hex(end[1]) * 16 + hex(end[2]), times);
            len += times;
            text = end + 3;
        } else if (isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1])) {
            to[len++] = (char)(hex(text[0]) * 16 + hex(text[1]));
            text += 2;
        } else {
            die("no token", text);
        }
    }
    to[len] = '\0';
    return len;
}

/* Whether the text begins with the word; *rest is what follows. */
static int word(const char *text, const char *wanted, const char **rest)
{
    size_t len = strlen(wanted);

    if (strncmp(text, wanted, len) != 0 || (text[len] != ' ' && text[len] != '\0')) {
        return 0;
    }
    *rest = text[len] ? text + len + 1 : text + len;
    return 1;
}

/* A failure as the file writes it: its name, and the number that goes with it. */
static void failure(int code, const ws_error *error, int with_close_code, char *said)
{
    int number = code == WS_E_REJECTED ? ws_error_http_status(error) : with_close_code ? ws_error_close_code(error) : 0;

    name_of(code, said);
    if (number != 0) {
        sprintf(said + strlen(said), " %d", number);
    }
}

static int dial(const struct test *test, ws_conn **conn, char *said)
{
    ws_dialer *dialer = ws_dialer_new();
    ws_error *error = NULL;
    int result = ws_dialer_set_max_message(dialer, test->limit, &error), i;

    for (i = 0; i < test->offers_len && result == WS_OK; i++) {
        result = ws_dialer_add_subprotocol(dialer, test->offers[i], &error);
    }
    for (i = 0; i < test->headers_len && result == WS_OK; i++) {
        char name[LINE], *value;

        strcpy(name, test->headers[i]);
        value = strchr(name, ' ');
        *value++ = '\0';
        result = ws_dialer_add_header(dialer, name, value, &error);
    }
    if (result == WS_OK) {
        result = ws_dial(test->url, dialer, BOUND_MS, conn, &error);
    }
    if (result == WS_OK) {
        const char *subprotocol = ws_subprotocol(*conn);
        sprintf(said, *subprotocol ? "open %s" : "open%s", subprotocol);
    } else {
        failure(result, error, 0, said);
    }
    ws_error_free(error);
    ws_dialer_free(dialer);
    return result;
}

/* Received bytes are compared as bytes: what was wanted is repeated when it is what came. */
static void received(const char *kind, const char *data, size_t len, const char *wanted, char *said)
{
    static char expected[BYTES];
    const char *rest;

    sprintf(said, "%s, %u bytes", kind, (unsigned)len);
    if (word(wanted, kind, &rest) && read_bytes(rest, expected) == len && memcmp(expected, data, len) == 0) {
        strcpy(said, wanted);
    }
}

static void receive(ws_conn *conn, const char *wanted, char *said)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    int result = ws_recv(conn, BOUND_MS, &message, &error);
    char kind[20];
    size_t len = 0;

    if (result == WS_OK) {
        received(message.kind == WS_TEXT ? "text" : "binary", message.data, message.len, wanted, said);
    } else if (result == WS_CLOSED) {
        const char *reason = ws_close_reason(conn, &len);
        sprintf(kind, "closed %d", ws_close_code(conn));
        received(kind, reason, len, wanted, said);
    } else if (result < 0) {
        failure(result, error, 1, said);
    } else {
        strcpy(said, ws_strerror(result));
    }
    ws_error_free(error);
    ws_message_free(&message);
}

static void send_one(ws_conn *conn, const char *what, char *said)
{
    static char data[BYTES];
    const char *rest = "";
    ws_error *error = NULL;
    int result;

    if (word(what, "ping", &rest)) {
        result = ws_ping(conn, data, read_bytes(rest, data), BOUND_MS, &error);
    } else if (word(what, "pong", &rest)) {
        result = ws_pong(conn, data, read_bytes(rest, data), BOUND_MS, &error);
    } else {
        int kind = word(what, "text", &rest) ? WS_TEXT : WS_BINARY;

        if (kind == WS_BINARY && !word(what, "binary", &rest)) {
            die("no kind", what);
        }
        result = ws_send(conn, kind, data, read_bytes(rest, data), BOUND_MS, &error);
    }
    if (result < 0) {
        failure(result, error, 0, said);
    } else {
        strcpy(said, result == WS_OK ? "sent" : ws_strerror(result));
    }
    ws_error_free(error);
}

static void close_one(ws_conn *conn, const char *what, char *said)
{
    static char reason[BYTES];
    char *rest;
    int code = (int)strtol(what, &rest, 10), result;
    ws_error *error = NULL;

    read_bytes(rest, reason);
    result = ws_close(conn, code, reason, BOUND_MS, &error);
    if (result < 0) {
        failure(result, error, 0, said);
    } else {
        strcpy(said, result == WS_OK ? "done" : ws_strerror(result));
    }
    ws_error_free(error);
}

static void play(ws_conn **conn, const struct test *test, const char *step, const char *wanted, char *said)
{
    const char *rest = "";

    if (word(step, "dial", &rest)) {
        (void)dial(test, conn, said);
    } else if (word(step, "recv", &rest)) {
        receive(*conn, wanted, said);
    } else if (word(step, "send", &rest)) {
        send_one(*conn, rest, said);
    } else if (word(step, "close", &rest)) {
        close_one(*conn, rest, said);
    } else {
        die("no step", step);
    }
}

/* What the server thought of us: its rejection's body. */
static void ask_verdict(const struct test *test, char *verdict)
{
    char url[2 * LINE];
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    size_t len = 0;
    const char *body;

    sprintf(url, "ws://127.0.0.1:%s/verdict/%s", port, test->name);
    if (ws_dial(url, NULL, 2 * BOUND_MS, &conn, &error) == WS_OK || ws_error_http_status(error) != 418) {
        die("no verdict on", test->name);
    }
    body = ws_error_http_body(error, &len);
    memcpy(verdict, body, len < LINE ? len : LINE - 1);
    verdict[len < LINE ? len : LINE - 1] = '\0';
    ws_error_free(error);
}

static void run(const struct test *test)
{
    ws_conn *conn = NULL;
    char said[2 * LINE] = "", verdict[LINE] = "ok";
    int i, is_right = 1;

    for (i = 0; i < test->client_len && is_right; i++) {
        char step[LINE], *wanted;

        strcpy(step, test->client[i]);
        wanted = strstr(step, " -> ");
        *wanted = '\0';
        wanted += 4;
        play(&conn, test, step, wanted, said);
        if (strcmp(said, wanted) != 0) {
            printf("FAILED %s: %s: wanted %s, got %s\n", test->name, step, wanted, said);
            is_right = 0;
        }
        if (!conn) {
            break;
        }
    }
    if (conn) {
        ws_conn_free(conn);
        ask_verdict(test, verdict);
    }
    if (strcmp(verdict, "ok") != 0) {
        printf("FAILED %s: the server: %s\n", test->name, verdict);
        is_right = 0;
    }
    passed += is_right;
    failed += !is_right;
}

static void read_line(struct test *test, const char *line)
{
    const char *rest = "";

    if (word(line, "offer", &rest)) {
        strcpy(test->offers[test->offers_len++], rest);
    } else if (word(line, "header", &rest)) {
        strcpy(test->headers[test->headers_len++], rest);
    } else if (word(line, "limit", &rest)) {
        test->limit = strtoul(rest, NULL, 10);
    } else if (word(line, "url", &rest)) {
        strcpy(test->url, rest);
    } else if (word(line, "client", &rest)) {
        strcpy(test->client[test->client_len++], rest);
    } else if (!word(line, "about", &rest) && !word(line, "server", &rest)) {
        die("no such line", line);
    }
}

int main(int argc, char **argv)
{
    static struct test test;
    char *line;
    int is_in_case = 0;

    if (argc < 4) {
        die("usage", "runner cases.txt wsdial.h PORT [NAME]");
    }
    header_text = read_file(argv[2]);
    port = argv[3];
    for (line = strtok(read_file(argv[1]), "\n"); line; line = strtok(NULL, "\n")) {
        if (*line == '#' || *line == '\0') {
            continue;
        }
        if (*line != '[') {
            read_line(&test, line);
            continue;
        }
        if (is_in_case) {
            run(&test);
        }
        memset(&test, 0, sizeof test);
        sscanf(line, "[%999[^]]", test.name);
        sprintf(test.url, "ws://127.0.0.1:%s/case/%s", port, test.name);
        is_in_case = argc < 5 || strcmp(test.name, argv[4]) == 0;
    }
    if (is_in_case) {
        run(&test);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
