/* No descriptor goes to a child that runs another program, none stays when a connection is freed, and a connection
 * owns one. */

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    /* without the one that looked */
    return count - 1;
}

/* Runs this program again as a child that answers how many descriptors it was born with. */
static int descriptors_of_a_child(char **argv)
{
    pid_t child = fork();
    int status = 0;

    CHECK(child >= 0);
    if (child == 0) {
        execl(argv[0], argv[0], "count", (char *)NULL);
        _exit(255);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    ws_conn *conns[8];
    ws_dialer *dialer;
    ws_message message = WS_MESSAGE_INIT;
    int before, of_a_child, i, named;

    if (argc == 2 && strcmp(argv[1], "count") == 0) {
        return open_descriptors();
    }
    start(argc, argv);
    /* Under valgrind a child is born with some of valgrind's. */
    before = open_descriptors();
    of_a_child = descriptors_of_a_child(argv);

    dialer = new_dialer();
    for (i = 0; i < 8; i++) {
        conns[i] = dial_with(i % 2 ? server_wss : server_ws, "/echo", dialer);
        EXPECT(WS_OK, ws_send(conns[i], WS_TEXT, "x", 1, BOUND, e));
        EXPECT(WS_OK, ws_recv(conns[i], BOUND, &message, e));
    }
    CHECK(descriptors_of_a_child(argv) == of_a_child);
    named = open_descriptors();
    CHECK(named == before + 8);
    for (i = 0; i < 8; i++) {
        if (i % 4 < 2) {
            EXPECT(WS_OK, ws_close(conns[i], 1000, NULL, BOUND, e));
        }
        ws_conn_free(conns[i]);
    }
    CHECK(open_descriptors() == before);

    /* Nor does a dial that failed leave any. */
    EXPECT(WS_E_CONNECT, ws_dial("ws://127.0.0.1:1/", dialer, BOUND, conns, e));
    EXPECT(WS_OK, ws_dialer_set_server_name(dialer, "other.example", e));
    if (server_has_tls) {
        EXPECT(WS_E_TLS_WRONG_HOST, ws_dial(server_wss, dialer, BOUND, conns, e));
    }
    CHECK(open_descriptors() == before);
    ws_dialer_free(dialer);
    ws_message_free(&message);
    return 0;
}
