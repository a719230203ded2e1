/* Every scenario against one server, through the C ABI: client URL CA.pem [SCENARIO...]
 * README.md tells what the servers do. Prints a line for each scenario and ends with "N passed, N failed". */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wsdial.h"

enum { PATIENCE_MS = 20000, SENDERS = 2, ROUNDS = 150 };

static const char *url;
static const char *ca;
static const char *scenario;
static const char UNIT[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"; /* aé€😀 */

/* The first thing that is not as it should be ends the process: each scenario has one of its own. */
static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("FAILED %s: ", scenario);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    _exit(1);
}

#define MUST(condition, ...) \
    do { \
        if (!(condition)) fail(__VA_ARGS__); \
    } while (0)

/* Compares a result, and shows the library's own sentence when it is another one. Takes the error.
 * (Its address, because the arguments of one call have no order among them.) */
static void must_be(int expected, int result, ws_error **error, const char *what) {
    if (result == expected) {
        if (error) ws_error_free(*error);
        return;
    }
    fail("%s: expected %d (%s), got %d (%s): %s", what, expected, ws_strerror(expected), result, ws_strerror(result),
         error && *error ? ws_error_message(*error) : "no error object");
}

static ws_dialer *new_dialer(const char *subprotocol) {
    ws_error *error = NULL;
    ws_dialer *dialer = ws_dialer_new();
    MUST(dialer, "no dialer");
    must_be(WS_OK, ws_dialer_add_ca_file(dialer, ca, &error), &error, "add_ca_file");
    must_be(WS_OK, ws_dialer_use_system_roots(dialer, 0, &error), &error, "use_system_roots");
    if (subprotocol) must_be(WS_OK, ws_dialer_add_subprotocol(dialer, subprotocol, &error), &error, "add_subprotocol");
    return dialer;
}

static ws_conn *dial(const char *subprotocol) {
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    ws_dialer *dialer = new_dialer(subprotocol);
    int result = ws_dial(url, dialer, PATIENCE_MS, &conn, &error);
    must_be(WS_OK, result, &error, "ws_dial");
    ws_dialer_free(dialer);
    return conn;
}

static void send_bytes(ws_conn *conn, int kind, const void *data, size_t len) {
    ws_error *error = NULL;
    int result = ws_send(conn, kind, data, len, PATIENCE_MS, &error);
    must_be(WS_OK, result, &error, "ws_send");
}

static void say(ws_conn *conn, const char *text) {
    send_bytes(conn, WS_TEXT, text, strlen(text));
}

static void receive(ws_conn *conn, ws_message *message) {
    ws_error *error = NULL;
    int result = ws_recv(conn, PATIENCE_MS, message, &error);
    must_be(WS_OK, result, &error, "ws_recv");
}

/* Asks, and compares the answer. */
static void ask(ws_conn *conn, const char *command, const char *expected) {
    ws_message message = WS_MESSAGE_INIT;
    say(conn, command);
    receive(conn, &message);
    MUST(message.kind == WS_TEXT, "`%s` was answered with kind %d", command, message.kind);
    MUST(strcmp(message.data, expected) == 0, "`%s`: expected `%s`, got `%s`", command, expected, message.data);
    ws_message_free(&message);
}

static void finish(ws_conn *conn) {
    ws_error *error = NULL;
    int result = ws_close(conn, 1000, NULL, PATIENCE_MS, &error);
    must_be(WS_OK, result, &error, "ws_close");
    MUST(ws_close_code(conn) == 1000, "closed with %d instead of 1000", ws_close_code(conn));
    ws_conn_free(conn);
}

static unsigned char *pattern(int kind, size_t size) {
    unsigned char *data = malloc(size + 1);
    size_t i;
    MUST(data, "no memory");
    for (i = 0; i < size; i++) data[i] = (unsigned char)(kind == WS_TEXT ? UNIT[i % 10] : (int)((i * 31 + 7) & 0xff));
    return data;
}

static void expect_pattern(const ws_message *message, int kind, size_t size) {
    unsigned char *expected = pattern(kind, size);
    MUST(message->kind == kind, "expected kind %d, got %d", kind, message->kind);
    MUST(message->len == size, "expected %zu bytes, got %zu", size, message->len);
    MUST(memcmp(message->data, expected, size) == 0, "%zu bytes came back changed", size);
    MUST(message->data[size] == 0, "no NUL behind the data");
    free(expected);
}

/* A name that nobody else used on this server. */
static const char *own_name(void) {
    static char name[64];
    snprintf(name, sizeof name, "%s-%ld", scenario, (long)getpid());
    return name;
}

static ws_conn *dial_named(ws_dialer *dialer) {
    char command[100], answer[100];
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    must_be(WS_OK, ws_dial(url, dialer, PATIENCE_MS, &conn, &error), &error, "ws_dial");
    snprintf(command, sizeof command, "do name %s", own_name());
    snprintf(answer, sizeof answer, "named %s", own_name());
    ask(conn, command, answer);
    return conn;
}

/* What the server saw as the end of the connection with our name: the close code, and the reason when one is expected. */
static void expect_server_saw(int code, const char *reason) {
    char command[100];
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = dial(NULL);
    char *rest = NULL;
    snprintf(command, sizeof command, "do closed %s", own_name());
    say(conn, command);
    receive(conn, &message);
    MUST(strtol(message.data, &rest, 10) == code, "the server saw `%s` instead of %d", message.data, code);
    MUST(!reason || strcmp(rest, reason) == 0, "the server saw `%s` instead of the reason `%s`", message.data, reason);
    ws_message_free(&message);
    finish(conn);
}

static void negotiated(void) {
    ws_conn *conn = dial("json");
    MUST(strcmp(ws_subprotocol(conn), "json") == 0, "negotiated `%s`", ws_subprotocol(conn));
    finish(conn);
}

static void declined(void) {
    ws_conn *conn = dial("msgpack");
    MUST(strcmp(ws_subprotocol(conn), "") == 0, "negotiated `%s`", ws_subprotocol(conn));
    ask(conn, "still here", "still here");
    finish(conn);
}

static void echoes(void) {
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20};
    static const int kinds[] = {WS_TEXT, WS_BINARY};
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = dial(NULL);
    size_t i, k;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (k = 0; k < 2; k++) {
            /* Text may only end with a whole character. */
            size_t size = kinds[k] == WS_TEXT && sizes[i] > 1 ? sizes[i] / 10 * 10 + (sizes[i] % 10 >= 1) : sizes[i];
            unsigned char *data = pattern(kinds[k], size);
            send_bytes(conn, kinds[k], data, size);
            receive(conn, &message);
            expect_pattern(&message, kinds[k], size);
            free(data);
        }
    }
    /* The exact boundaries of the length fields as text too. */
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = malloc(sizes[i] + 1);
        MUST(data, "no memory");
        memset(data, 'x', sizes[i]);
        send_bytes(conn, WS_TEXT, data, sizes[i]);
        receive(conn, &message);
        MUST(message.kind == WS_TEXT && message.len == sizes[i], "%zu bytes of text came as %zu", sizes[i], message.len);
        MUST(memcmp(message.data, data, sizes[i]) == 0, "%zu bytes of text came back changed", sizes[i]);
        free(data);
    }
    ws_message_free(&message);
    finish(conn);
}

static void sent_whole(void) {
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = dial(NULL);
    say(conn, "do send text 16777210");
    receive(conn, &message);
    expect_pattern(&message, WS_TEXT, 16777210);
    say(conn, "do send binary 16777216");
    receive(conn, &message);
    expect_pattern(&message, WS_BINARY, 16777216);
    ws_message_free(&message);
    finish(conn);
}

static void fragments(void) {
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = dial(NULL);
    say(conn, "do fragments text 10000 7");
    receive(conn, &message);
    expect_pattern(&message, WS_TEXT, 10000);
    say(conn, "do fragments binary 300000 50");
    receive(conn, &message);
    expect_pattern(&message, WS_BINARY, 300000);
    ask(conn, "after the fragments", "after the fragments");
    ws_message_free(&message);
    finish(conn);
}

static void pings(void) {
    ws_error *error = NULL;
    ws_conn *conn = dial(NULL);
    must_be(WS_OK, ws_ping(conn, "one", 3, PATIENCE_MS, &error), &error, "ws_ping");
    must_be(WS_OK, ws_ping(conn, "two", 3, PATIENCE_MS, &error), &error, "ws_ping");
    must_be(WS_OK, ws_pong(conn, "unasked", 7, PATIENCE_MS, &error), &error, "ws_pong");
    ask(conn, "do pings", "2 two");
    ask(conn, "do ping hello", "pong hello");
    finish(conn);
}

static void close_from_us(void) {
    ws_error *error = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    ws_conn *conn = dial_named(dialer);
    must_be(WS_OK, ws_close(conn, 4001, "bye bye", PATIENCE_MS, &error), &error, "ws_close");
    must_be(WS_OK, ws_close(conn, 1000, NULL, PATIENCE_MS, &error), &error, "ws_close again");
    ws_conn_free(conn);
    expect_server_saw(4001, " bye bye");
    ws_dialer_free(dialer);
}

static void close_from_server(void) {
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    ws_conn *conn = dial_named(dialer);
    const char *reason;
    say(conn, "do close 4010 see you");
    must_be(WS_CLOSED, ws_recv(conn, PATIENCE_MS, &message, &error), &error, "ws_recv");
    must_be(WS_CLOSED, ws_recv(conn, PATIENCE_MS, &message, &error), &error, "ws_recv again");
    reason = ws_close_reason(conn, NULL);
    MUST(ws_close_code(conn) == 4010, "closed with %d", ws_close_code(conn));
    MUST(reason && strcmp(reason, "see you") == 0, "the reason is `%s`", reason ? reason : "NULL");
    must_be(WS_OK, ws_close(conn, 1000, NULL, PATIENCE_MS, &error), &error, "ws_close");
    ws_conn_free(conn);
    ws_message_free(&message);
    /* Our answer carries the code back (RFC 6455 5.5.1). */
    expect_server_saw(4010, NULL);
    ws_dialer_free(dialer);
}

/* A failure is given once and for ever after, and the server learns why. */
static void expect_failure(ws_dialer *dialer, const char *command, int failure, int close_code) {
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    ws_conn *conn = dial_named(dialer);
    int again;
    say(conn, command);
    for (again = 0; again < 2; again++) {
        must_be(failure, ws_recv(conn, PATIENCE_MS, &message, &error), NULL, "ws_recv");
        MUST(error, "a failure without an error");
        MUST(ws_error_close_code(error) == close_code, "the error names close code %d", ws_error_close_code(error));
        MUST(!message.data && message.len == 0, "a failure with data");
        ws_error_free(error);
        error = NULL;
    }
    must_be(failure, ws_send(conn, WS_TEXT, "x", 1, PATIENCE_MS, &error), &error, "ws_send");
    ws_conn_free(conn);
    ws_message_free(&message);
    expect_server_saw(close_code, NULL);
    ws_dialer_free(dialer);
}

static void over_the_limit(void) {
    ws_error *error = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    must_be(WS_OK, ws_dialer_set_max_message(dialer, 99999, &error), &error, "set_max_message");
    expect_failure(dialer, "do send binary 100000", WS_E_LIMIT_MESSAGE, 1009);
}

static void over_the_limit_in_fragments(void) {
    ws_error *error = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    must_be(WS_OK, ws_dialer_set_max_message(dialer, 9999, &error), &error, "set_max_message");
    expect_failure(dialer, "do fragments text 10000 5", WS_E_LIMIT_MESSAGE, 1009);
}

static void invalid_utf8(void) {
    expect_failure(new_dialer(NULL), "do invalid", WS_E_UTF8, 1007);
}

static void rejected(void) {
    char target[300];
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    const char *reason, *body;
    size_t len = 0;
    snprintf(target, sizeof target, "%s/reject", url);
    must_be(WS_E_REJECTED, ws_dial(target, dialer, PATIENCE_MS, &conn, &error), NULL, "ws_dial");
    MUST(!conn && error, "a rejection must leave no connection, and an error");
    MUST(ws_error_http_status(error) == 403, "status %d", ws_error_http_status(error));
    reason = ws_error_http_header(error, "x-reason", 0);
    MUST(reason && strcmp(reason, "sunday") == 0, "X-Reason is `%s`", reason ? reason : "NULL");
    body = ws_error_http_body(error, &len);
    MUST(body && len == 9 && memcmp(body, "not today", 9) == 0, "the body has %zu bytes", len);
    ws_error_free(error);
    ws_dialer_free(dialer);
}

/* Two senders and one receiver on one connection: what each sends comes back whole and in its order. */
struct sender {
    pthread_t thread;
    ws_conn *conn;
    unsigned char mark;
};

static size_t size_of_round(int round) {
    return 8 + (size_t)(round * 977 % 40000);
}

static void *send_rounds(void *context) {
    struct sender *self = context;
    int round;
    for (round = 0; round < ROUNDS; round++) {
        unsigned char *data = pattern(WS_BINARY, size_of_round(round));
        data[0] = self->mark;
        data[1] = (unsigned char)round;
        send_bytes(self->conn, WS_BINARY, data, size_of_round(round));
        free(data);
    }
    return NULL;
}

static void two_senders(void) {
    struct sender senders[SENDERS];
    int next[SENDERS] = {0, 0};
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = dial(NULL);
    int i;
    for (i = 0; i < SENDERS; i++) {
        senders[i].conn = conn;
        senders[i].mark = (unsigned char)i;
        MUST(pthread_create(&senders[i].thread, NULL, send_rounds, &senders[i]) == 0, "no thread");
    }
    for (i = 0; i < SENDERS * ROUNDS; i++) {
        unsigned char *expected;
        int mark, round;
        receive(conn, &message);
        mark = (unsigned char)message.data[0];
        MUST(mark < SENDERS, "a message from sender %d", mark);
        round = next[mark]++;
        MUST((unsigned char)message.data[1] == round, "sender %d: expected round %d", mark, round);
        MUST(message.len == size_of_round(round), "round %d has %zu bytes", round, message.len);
        expected = pattern(WS_BINARY, message.len);
        MUST(memcmp(message.data + 2, expected + 2, message.len - 2) == 0, "round %d is torn", round);
        free(expected);
    }
    for (i = 0; i < SENDERS; i++) pthread_join(senders[i].thread, NULL);
    ws_message_free(&message);
    finish(conn);
}

#include "compressed.h"

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"negotiated", negotiated},
    {"declined", declined},
    {"echoes", echoes},
    {"sent-whole", sent_whole},
    {"fragments", fragments},
    {"pings", pings},
    {"close-from-us", close_from_us},
    {"close-from-server", close_from_server},
    {"over-the-limit", over_the_limit},
    {"over-the-limit-in-fragments", over_the_limit_in_fragments},
    {"invalid-utf8", invalid_utf8},
    {"rejected", rejected},
    {"two-senders", two_senders},
    {"compressed", compressed},
    {"over-the-limit-inflated", over_the_limit_inflated},
    {"invalid-utf8-inflated", invalid_utf8_inflated},
};

/* How long a scenario may take: under valgrind everything takes longer. */
static unsigned scenario_seconds(void) {
    const char *asked = getenv("WSDIAL_SCENARIO_SECONDS");
    return asked ? (unsigned)atoi(asked) : 120;
}

/* One process for each scenario: neither a crash nor a hang in one takes the others along. */
static int run_apart(void (*run)(void)) {
    int status = 0;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(scenario_seconds());
        run();
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return 0;
    if (WIFSIGNALED(status)) printf("FAILED %s: ended by signal %d\n", scenario, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int is_wanted(const char *name, int argc, char **argv) {
    int i;
    for (i = 3; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return 1;
    return argc <= 3;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    size_t i;
    if (argc < 3) {
        fprintf(stderr, "usage: client URL CA.pem [SCENARIO...]\n");
        return 2;
    }
    url = argv[1];
    ca = argv[2];
    for (i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (!is_wanted(scenarios[i].name, argc, argv)) continue;
        scenario = scenarios[i].name;
        if (run_apart(scenarios[i].run)) {
            passed++;
            printf("ok %s\n", scenario);
        } else {
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
