// The bench's backend: fixed answers, at the least cost that one thread on epoll can have, so that
// the proxy under measurement is what a row waits for. A path is answered with a file's bytes, head
// and all. It trusts its clients, which are the bench's proxies: GET without a body, no pipelining.
//
//     backend PORT[,PORT...] PATH FILE [PATH FILE]...

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 256, ANSWERS_MAX = 8, HEAD_MAX = 4096, COPIED_MAX = 16384 };

struct answer {
    const char *path;
    int fd;
    size_t length;
    const char *bytes;
};

struct connection {
    int fd;
    bool listens;
    const struct answer *answer; // that is being sent; NULL: a request is awaited
    off_t sent;
    size_t head_length;
    char head[HEAD_MAX];
};

static struct answer answers[ANSWERS_MAX];
static int answer_count;
static int epoll_fd;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = connection };
    if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0) fail("epoll_ctl");
}

static void add(int fd, bool listens)
{
    struct connection *connection = malloc(sizeof *connection);
    if (connection == NULL) fail("malloc");
    connection->fd = fd;
    connection->listens = listens;
    connection->answer = NULL;
    connection->head_length = 0;
    watch(EPOLL_CTL_ADD, connection, EPOLLIN);
}

static void drop(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

static void load(const char *path, const char *file)
{
    struct stat status;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0 || answer_count == ANSWERS_MAX) fail(file);
    size_t length = (size_t)status.st_size;
    const char *bytes = mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED) fail(file);
    answers[answer_count++] = (struct answer){ path, fd, length, bytes };
}

static void listen_on(int port)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0) {
        fail("listen");
    }
    add(fd, true);
}

static void take_client(const struct connection *listener)
{
    int one = 1;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    add(fd, false);
}

// The answer to `head`, "METHOD PATH VERSION"; NULL: there is none.
static const struct answer *find_answer(const char *head)
{
    const char *path = strchr(head, ' ');
    if (path == NULL) return NULL;
    for (int i = 0; i < answer_count; i++) {
        size_t length = strlen(answers[i].path);
        if (strncmp(path + 1, answers[i].path, length) == 0 && path[1 + length] == ' ') {
            return &answers[i];
        }
    }
    return NULL;
}

// Sends what the socket takes. False: the client has gone.
static bool send_answer(struct connection *connection)
{
    const struct answer *answer = connection->answer;
    while ((size_t)connection->sent < answer->length) {
        size_t rest = answer->length - (size_t)connection->sent;
        ssize_t count;
        if (answer->length > COPIED_MAX) {
            count = sendfile(connection->fd, answer->fd, &connection->sent, rest);
        } else {
            count = send(connection->fd, answer->bytes + connection->sent, rest, MSG_NOSIGNAL);
            if (count > 0) connection->sent += count;
        }
        if (count < 0 && errno == EAGAIN) return true;
        if (count <= 0) return false;
    }
    connection->answer = NULL;
    return true;
}

// False: the client has gone, or asks for what is not there.
static bool take_request(struct connection *connection)
{
    size_t room = HEAD_MAX - 1 - connection->head_length;
    ssize_t count = recv(connection->fd, connection->head + connection->head_length, room, 0);
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) return false;
    connection->head_length += (size_t)count;
    connection->head[connection->head_length] = '\0';
    if (connection->head_length < 4 ||
        memcmp(connection->head + connection->head_length - 4, "\r\n\r\n", 4) != 0) {
        return true;
    }
    connection->head_length = 0;
    connection->sent = 0;
    connection->answer = find_answer(connection->head);
    return connection->answer != NULL && send_answer(connection);
}

static void serve(struct connection *connection)
{
    bool was_sending = connection->answer != NULL;
    bool ok = was_sending ? send_answer(connection) : take_request(connection);
    if (!ok) {
        drop(connection);
        return;
    }
    bool is_sending = connection->answer != NULL;
    if (is_sending != was_sending) {
        watch(EPOLL_CTL_MOD, connection, is_sending ? EPOLLOUT : EPOLLIN);
    }
}

int main(int count, char **arguments)
{
    if (count < 4) {
        fputs("usage: backend PORT[,PORT...] PATH FILE [PATH FILE]...\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); // sendfile has no MSG_NOSIGNAL
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) fail("epoll_create1");
    for (int i = 2; i + 1 < count; i += 2) load(arguments[i], arguments[i + 1]);
    for (char *port = strtok(arguments[1], ","); port != NULL; port = strtok(NULL, ",")) {
        listen_on(atoi(port));
    }

    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->listens) take_client(connection);
            else serve(connection);
        }
    }
}
