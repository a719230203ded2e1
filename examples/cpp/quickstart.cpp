// Dials, negotiates a subprotocol, sends, receives, closes.
// usage: quickstart [url [ca.pem]]
#include <chrono>
#include <iostream>

#include <wsdial.hpp>

int main(int argc, char **argv) {
    using namespace std::chrono_literals;
    try {
        wsdial::dialer dialer;
        dialer.add_subprotocol("json");
        if (argc > 2)
            dialer.add_ca_file(argv[2]);

        const wsdial::connection conn = dialer.dial(argc > 1 ? argv[1] : "ws://localhost:12345");
        std::cout << "negotiated protocol: \"" << conn.subprotocol() << "\"\n";

        conn.send(R"({"hello":"wsdial"})");
        wsdial::message message;
        if (conn.recv(message, 5s) == wsdial::answer::ok)
            std::cout << "received: " << message.text() << "\n";

        conn.close();
        std::cout << "closed cleanly: " << conn.close_code() << "\n";
        return 0;
    } catch (const wsdial::exception &failure) {
        std::cerr << "quickstart: " << failure.what() << "\n";
        return 1;
    }
}
