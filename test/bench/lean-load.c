// A client that asks for one path again and again, at the least cost that one thread on epoll can
// have: wrk takes more CPU time for an answer from memory than the servers do, which then wait for
// it. Prints the line of wrk.lua. Every answer must be as long as the first.
//
//     lean-load PORT PATH CONNECTIONS SECONDS

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, CONNECTIONS_MAX = 1024, ANSWER_MAX = 1 << 20, MICROS_MAX = 1 << 16 };

struct connection {
    int fd;
    int64_t asked; // in microseconds
    size_t received;
};

static char request[1024];
static size_t request_bytes;
static size_t answer_bytes;
static char memory[ANSWER_MAX];
static uint32_t latencies[MICROS_MAX]; // by microsecond; the last takes whatever is longer
static long requests, status_errors, read_errors, write_errors;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void ask(struct connection *connection, int64_t at)
{
    connection->asked = at;
    connection->received = 0;
    if (send(connection->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes) {
        write_errors++;
    }
}

// The length of the answer whose head is in `memory`, or 0: the head is not whole.
static size_t length_of_answer(size_t received)
{
    const char *end = memmem(memory, received, "\r\n\r\n", 4);
    const char *length = strcasestr(memory, "\ncontent-length:");
    if (end == NULL || length == NULL || length > end) return 0;
    return (size_t)(end + 4 - memory) + strtoul(length + strlen("\ncontent-length:"), NULL, 10);
}

static void on_answer(struct connection *connection)
{
    size_t room = ANSWER_MAX - 1 - connection->received;
    // What has come before of this answer is told by its length alone.
    ssize_t count = recv(connection->fd, memory + connection->received, room, 0);
    if (count <= 0) {
        read_errors++;
        close(connection->fd);
        return;
    }
    if (connection->received == 0 && memcmp(memory, "HTTP/1.1 200", 12) != 0) status_errors++;
    connection->received += (size_t)count;
    if (answer_bytes == 0) {
        memory[connection->received] = '\0';
        answer_bytes = length_of_answer(connection->received);
    }
    if (answer_bytes == 0 || connection->received < answer_bytes) return;
    if (connection->received > answer_bytes) read_errors++;
    int64_t at = now();
    int64_t micros = at - connection->asked;
    latencies[micros < MICROS_MAX ? micros : MICROS_MAX - 1]++;
    requests++;
    ask(connection, at);
}

static int percentile(double share)
{
    double rest = (double)requests * share;
    int micros = 0;
    while (micros < MICROS_MAX - 1 && (rest -= latencies[micros]) > 0) micros++;
    return micros;
}

static int connect_to(int port)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int main(int count, char **arguments)
{
    static struct connection connections[CONNECTIONS_MAX];
    if (count != 5 || atoi(arguments[3]) > CONNECTIONS_MAX) {
        fputs("usage: lean-load PORT PATH CONNECTIONS SECONDS\n", stderr);
        return 2;
    }
    int port = atoi(arguments[1]);
    int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                         arguments[2], port);
    if (bytes < 0 || (size_t)bytes >= sizeof request) fail("request");
    request_bytes = (size_t)bytes;

    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) fail("epoll_create1");
    int64_t start = now();
    for (int i = 0; i < atoi(arguments[3]); i++) {
        struct connection *connection = &connections[i];
        connection->fd = connect_to(port);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0) fail("epoll_ctl");
        ask(connection, now());
        // The first answer says how long one is; it is read whole before there are others.
        while (i == 0 && requests == 0 && read_errors == 0) on_answer(connection);
    }

    int64_t end = start + (int64_t)atoi(arguments[4]) * 1000000;
    struct epoll_event events[EVENTS];
    while (now() < end) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, 100);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) on_answer(events[i].data.ptr);
    }
    printf("{\"requests\":%ld,\"micros\":%lld,\"bytes\":%lld,\"p50Micros\":%d,\"p99Micros\":%d,"
           "\"connectErrors\":0,\"readErrors\":%ld,\"writeErrors\":%ld,\"timeouts\":0,"
           "\"statusErrors\":%ld}\n",
           requests, (long long)(now() - start), (long long)requests * (long long)answer_bytes,
           percentile(0.5), percentile(0.99), read_errors, write_errors, status_errors);
    return 0;
}
