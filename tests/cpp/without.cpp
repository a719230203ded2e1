// wsdial.hpp where exceptions and run-time types are switched off.

#include <cstdio>
#include <string>

#include <wsdial.hpp>

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            return 1;                                                            \
        }                                                                        \
    } while (0)

int main(int argc, char **argv) {
    CHECK(argc == 4);
    wsdial::dialer dialer(std::nothrow);
    dialer.add_subprotocol("json").add_ca_file(argv[3]);
    CHECK(!dialer.failure());
    for (const char *url : {argv[1], argv[2]}) {
        wsdial::result<wsdial::connection> made = dialer.try_dial(std::string(url) + "/echo");
        CHECK(made && made->subprotocol() == "json");
        const wsdial::connection conn = *std::move(made);
        wsdial::message message;
        const auto sent = conn.try_send("hello");
        CHECK(sent && *sent == wsdial::answer::ok && !sent.failure());
        const auto received = conn.try_recv(message, std::chrono::seconds(10));
        CHECK(received && *received == wsdial::answer::ok && message.text() == "hello");
        const auto wrong = conn.try_send("\xff");
        CHECK(!wrong && wrong.failure().code() == WS_E_USAGE_UTF8 && wrong.failure().message()[0] != '\0');
        CHECK(conn.try_close().value() == wsdial::answer::ok);
    }
    dialer.add_subprotocol("json");
    CHECK(dialer.failure().code() == WS_E_OPTION_SUBPROTOCOL);
    CHECK(!dialer.try_dial(argv[1]));
    return 0;
}
