// Sends the time every second (or every N ms) and prints what comes back, until Ctrl-C closes cleanly.
// usage: echo [url [ca.pem [interval in ms]]]
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <ctime>
#include <functional>
#include <iostream>
#include <string>
#include <thread>

#include <wsdial.hpp>

namespace {

// Reads until the connection is closed; its thread is the only one that receives.
void receive(const wsdial::connection &conn) {
    try {
        for (const wsdial::message &message : conn.messages())
            std::cout << "received: " << message.text() << std::endl;
    } catch (const wsdial::exception &failure) {
        std::cerr << "echo: " << failure.what() << "\n";
    }
}

// Waits for Ctrl-C, but no longer than that.
bool interrupted(const sigset_t &signals, std::chrono::milliseconds interval) {
    const timespec limit = {static_cast<time_t>(interval.count() / 1000), static_cast<long>(interval.count() % 1000 * 1000000)};
    return sigtimedwait(&signals, nullptr, &limit) == SIGINT;
}

std::string now() {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm parts = {};
    char text[32];
    return {text, std::strftime(text, sizeof text, "%FT%TZ", gmtime_r(&seconds, &parts))};
}

}  // namespace

int main(int argc, char **argv) {
    // Before there is a thread: it goes to nobody but to who waits for it.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    try {
        wsdial::dialer dialer;
        dialer.add_subprotocol("json");
        if (argc > 2 && *argv[2] != '\0')
            dialer.add_ca_file(argv[2]);
        const std::chrono::milliseconds interval(argc > 3 ? std::stoi(argv[3]) : 1000);

        const wsdial::connection conn = dialer.dial(argc > 1 ? argv[1] : "ws://localhost:12345");
        std::cout << "negotiated protocol: \"" << conn.subprotocol() << "\"" << std::endl;
        std::thread reader(receive, std::cref(conn));
        while (!interrupted(signals, interval)) {
            if (conn.send(now()) == wsdial::answer::closed)
                break;
        }
        conn.close();
        reader.join();
        std::cout << "closed cleanly: " << conn.close_code() << "\n";
        return 0;
    } catch (const wsdial::exception &failure) {
        std::cerr << "echo: " << failure.what() << "\n";
        return 1;
    }
}
