// Dials, negotiates a subprotocol, sends, receives, closes: C++ over the C header.
// usage: quickstart [url [ca.pem]]
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "wsdial.h"

namespace {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T *object) const { Free(object); }
};
using Dialer = std::unique_ptr<ws_dialer, Freed<ws_dialer_free>>;
using Connection = std::unique_ptr<ws_conn, Freed<ws_conn_free>>;
using Error = std::unique_ptr<ws_error, Freed<ws_error_free>>;

struct Message : ws_message {
    Message() : ws_message(WS_MESSAGE_INIT) {}
    ~Message() { ws_message_free(this); }
    Message(const Message &) = delete;
    Message &operator=(const Message &) = delete;
};

// Makes an exception of every result but WS_OK. The error is the call's last argument, set when the call returned.
template <class Call>
void check(Call call) {
    ws_error *raw = nullptr;
    const int result = call(&raw);
    const Error error(raw);
    if (result != WS_OK)
        throw std::runtime_error(error ? ws_error_message(error.get()) : ws_strerror(result));
}

void run(const char *url, const char *ca) {
    const Dialer dialer(ws_dialer_new());
    check([&](ws_error **e) { return ws_dialer_add_subprotocol(dialer.get(), "json", e); });
    if (ca)
        check([&](ws_error **e) { return ws_dialer_add_ca_file(dialer.get(), ca, e); });

    ws_conn *raw = nullptr;
    check([&](ws_error **e) { return ws_dial(url, dialer.get(), WS_DEFAULT, &raw, e); });
    const Connection conn(raw);
    std::cout << "negotiated protocol: \"" << ws_subprotocol(conn.get()) << "\"\n";

    const std::string text = R"({"hello":"wsdial"})";
    check([&](ws_error **e) { return ws_send(conn.get(), WS_TEXT, text.data(), text.size(), WS_FOREVER, e); });

    Message message;
    check([&](ws_error **e) { return ws_recv(conn.get(), 5000, &message, e); });
    std::cout << "received: " << std::string(message.data, message.len) << "\n";

    check([&](ws_error **e) { return ws_close(conn.get(), 1000, "", WS_DEFAULT, e); });
    std::cout << "closed cleanly: " << ws_close_code(conn.get()) << "\n";
}

}  // namespace

int main(int argc, char **argv) {
    try {
        run(argc > 1 ? argv[1] : "ws://localhost:12345", argc > 2 ? argv[2] : nullptr);
        return 0;
    } catch (const std::exception &error) {
        std::cerr << "quickstart: " << error.what() << "\n";
        return 1;
    }
}
