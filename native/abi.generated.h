// Generated from native/abi.ts. Run "npm run generate"; do not edit.
#ifndef ZP_ABI_GENERATED_H
#define ZP_ABI_GENERATED_H

#define ZP_ABI_VERSION 11
#define ZP_ADDRESS_TEXT_BYTES_MAX 46
#define ZP_AF_INET 2
#define ZP_AF_INET6 10
#define ZP_BUF_ADDR_LOW 0
#define ZP_BUF_ID_U16 6
#define ZP_BUF_LEN 2
#define ZP_BUF_RING_ENTRIES_MAX 32768
#define ZP_BUF_RING_TAIL_U16 7
#define ZP_BUF_U16S 8
#define ZP_BUF_WORDS 4
#define ZP_CLOCK_MONOTONIC_MS 0
#define ZP_CLOCK_MONOTONIC_US 1
#define ZP_CLOCK_REALTIME_MILLIS 3
#define ZP_CLOCK_REALTIME_SECS 2
#define ZP_CLOCK_WORDS 4
#define ZP_CMSGHDR_LENGTH_LOW 0
#define ZP_CMSGHDR_LEVEL 2
#define ZP_CMSGHDR_TYPE 3
#define ZP_CMSGHDR_WORDS 4
#define ZP_CQE_FLAGS 3
#define ZP_CQE_RESULT 2
#define ZP_CQE_USER_DATA_HIGH 1
#define ZP_CQE_USER_DATA_LOW 0
#define ZP_CQE_WORDS 4
#define ZP_CQ_ENTRIES_MAX 65536
#define ZP_EACCES 13
#define ZP_EADDRNOTAVAIL 99
#define ZP_EAGAIN 11
#define ZP_EALREADY 114
#define ZP_EBADF 9
#define ZP_ECANCELED 125
#define ZP_ECONNABORTED 103
#define ZP_ECONNREFUSED 111
#define ZP_ECONNRESET 104
#define ZP_EEXIST 17
#define ZP_EFAULT 14
#define ZP_EHOSTUNREACH 113
#define ZP_EINVAL 22
#define ZP_EIO 5
#define ZP_EISCONN 106
#define ZP_EISDIR 21
#define ZP_ELOOP 40
#define ZP_EMFILE 24
#define ZP_ENAMETOOLONG 36
#define ZP_ENFILE 23
#define ZP_ENGINE_EPOLL 1
#define ZP_ENGINE_IO_URING 0
#define ZP_ENOBUFS 105
#define ZP_ENODEV 19
#define ZP_ENOENT 2
#define ZP_ENOMEM 12
#define ZP_ENOTCONN 107
#define ZP_ENOTDIR 20
#define ZP_ENXIO 6
#define ZP_EOPNOTSUPP 95
#define ZP_EPERM 1
#define ZP_EPIPE 32
#define ZP_EPROTO 71
#define ZP_ETIMEDOUT 110
#define ZP_EXDEV 18
#define ZP_FILE_STATUS_IS_DIRECTORY 4
#define ZP_FILE_STATUS_IS_REGULAR 3
#define ZP_FILE_STATUS_MTIME_NANOS 2
#define ZP_FILE_STATUS_MTIME_SECS 1
#define ZP_FILE_STATUS_SIZE 0
#define ZP_FILE_STATUS_WORDS 5
#define ZP_FILTER_BYTES 8
#define ZP_FILTER_CODE 0
#define ZP_FILTER_COUNT_MAX 256
#define ZP_FILTER_IF_FALSE 3
#define ZP_FILTER_IF_TRUE 2
#define ZP_FILTER_OPERAND 4
#define ZP_IORING_ACCEPT_MULTISHOT 1
#define ZP_IORING_ASYNC_CANCEL_ALL 1
#define ZP_IORING_ASYNC_CANCEL_FD 2
#define ZP_IORING_CQE_BUFFER_SHIFT 16
#define ZP_IORING_CQE_F_BUFFER 1
#define ZP_IORING_CQE_F_MORE 2
#define ZP_IORING_CQE_F_SOCK_NONEMPTY 4
#define ZP_IORING_FEAT_NODROP 2
#define ZP_IORING_OP_ACCEPT 13
#define ZP_IORING_OP_ASYNC_CANCEL 14
#define ZP_IORING_OP_CLOSE 19
#define ZP_IORING_OP_CONNECT 16
#define ZP_IORING_OP_FILES_UPDATE 20
#define ZP_IORING_OP_NOP 0
#define ZP_IORING_OP_OPENAT2 28
#define ZP_IORING_OP_POLL_ADD 6
#define ZP_IORING_OP_READ 22
#define ZP_IORING_OP_RECV 27
#define ZP_IORING_OP_SEND 26
#define ZP_IORING_OP_SENDMSG 9
#define ZP_IORING_RECVSEND_POLL_FIRST 1
#define ZP_IORING_RECV_MULTISHOT 2
#define ZP_IOSQE_BUFFER_SELECT 32
#define ZP_IOSQE_FIXED_FILE 1
#define ZP_IOVEC_BASE_HIGH 1
#define ZP_IOVEC_BASE_LOW 0
#define ZP_IOVEC_LENGTH 2
#define ZP_IOVEC_WORDS 4
#define ZP_MAP_BYTES_MAX 2147483647
#define ZP_MSGHDR_CONTROL_HIGH 9
#define ZP_MSGHDR_CONTROL_LENGTH 10
#define ZP_MSGHDR_CONTROL_LOW 8
#define ZP_MSGHDR_IOV_COUNT 6
#define ZP_MSGHDR_IOV_HIGH 5
#define ZP_MSGHDR_IOV_LOW 4
#define ZP_MSGHDR_WORDS 14
#define ZP_MSG_MORE 32768
#define ZP_MSG_NOSIGNAL 16384
#define ZP_MSG_WAITALL 256
#define ZP_OPEN_HOW_BYTES 24
#define ZP_OPEN_HOW_FLAGS 0
#define ZP_OPEN_HOW_RESOLVE 4
#define ZP_OWNER_MAX 254
#define ZP_OWNER_TABLE_BYTES 1048576
#define ZP_O_CLOEXEC 524288
#define ZP_O_NOCTTY 256
#define ZP_O_NONBLOCK 2048
#define ZP_O_RDONLY 0
#define ZP_PAGES_HUGE 2
#define ZP_PAGES_ORDINARY 0
#define ZP_PAGES_TRANSPARENT 1
#define ZP_POLLERR 8
#define ZP_POLLHUP 16
#define ZP_POLLOUT 4
#define ZP_RESOLVE_BENEATH 8
#define ZP_RESOLVE_NO_MAGICLINKS 2
#define ZP_RING_COUNT_MAX 256
#define ZP_RING_OFFSET_COUNT 10
#define ZP_RING_OFFSET_CQ_CQES 9
#define ZP_RING_OFFSET_CQ_ENTRIES 8
#define ZP_RING_OFFSET_CQ_HEAD 5
#define ZP_RING_OFFSET_CQ_MASK 7
#define ZP_RING_OFFSET_CQ_TAIL 6
#define ZP_RING_OFFSET_SQ_ARRAY 4
#define ZP_RING_OFFSET_SQ_ENTRIES 3
#define ZP_RING_OFFSET_SQ_HEAD 0
#define ZP_RING_OFFSET_SQ_MASK 2
#define ZP_RING_OFFSET_SQ_TAIL 1
#define ZP_SOCKADDR_BYTES_MAX 28
#define ZP_SOCKADDR_IN6_BYTES 28
#define ZP_SOCKADDR_IN_BYTES 16
#define ZP_SOCK_CLOEXEC 524288
#define ZP_SOCK_NONBLOCK 2048
#define ZP_SOL_TLS 282
#define ZP_SQE_ADDR_LOW 4
#define ZP_SQE_BUFFER 10
#define ZP_SQE_FD 1
#define ZP_SQE_HEAD 0
#define ZP_SQE_HEAD_FLAGS_SHIFT 8
#define ZP_SQE_HEAD_IOPRIO_SHIFT 16
#define ZP_SQE_LEN 6
#define ZP_SQE_OFF_LOW 2
#define ZP_SQE_OP_FLAGS 7
#define ZP_SQE_USER_DATA_HIGH 9
#define ZP_SQE_USER_DATA_LOW 8
#define ZP_SQE_WORDS 16
#define ZP_SQ_ENTRIES_MAX 32768
#define ZP_TLS_CONTEXT_COUNT_MAX 4096
#define ZP_TLS_DONE 2
#define ZP_TLS_END 3
#define ZP_TLS_ENDED 3
#define ZP_TLS_ERROR_BYTES_MAX 200
#define ZP_TLS_HANDSHAKE 0
#define ZP_TLS_IN_KERNEL 2147483647
#define ZP_TLS_OPEN 1
#define ZP_TLS_RECORD_BYTES_MAX 16384
#define ZP_TLS_SEAL 2
#define ZP_TLS_SET_RECORD_TYPE 1
#define ZP_TLS_WANT_INPUT 0
#define ZP_TLS_WANT_OUTPUT 1
#define ZP_TLS_WORDS 11
#define ZP_TLS_WORD_HANDLE 1
#define ZP_TLS_WORD_HELD 10
#define ZP_TLS_WORD_INPUT 2
#define ZP_TLS_WORD_INPUT_BYTES 3
#define ZP_TLS_WORD_MESSAGES 9
#define ZP_TLS_WORD_OP 0
#define ZP_TLS_WORD_OUTPUT 4
#define ZP_TLS_WORD_OUTPUT_BYTES 5
#define ZP_TLS_WORD_PLAIN 6
#define ZP_TLS_WORD_PLAIN_BYTES 7
#define ZP_TLS_WORD_RECORD_BYTES 8
#define ZP_USER_DATA_OP_SHIFT 24
#define ZP_USER_OP_ACCEPT 1
#define ZP_USER_OP_CANCEL 7
#define ZP_USER_OP_CLOSE 6
#define ZP_USER_OP_CONNECT 5
#define ZP_USER_OP_FILE_OPEN 2
#define ZP_USER_OP_FILE_READ 9
#define ZP_USER_OP_FIX 11
#define ZP_USER_OP_POLL 8
#define ZP_USER_OP_RECEIVE 3
#define ZP_USER_OP_SEND 4
#define ZP_USER_OP_WAKE 10

// native/abi.c alone turns this on: it includes every system header that is compared.
#ifdef ZP_ABI_ASSERT
_Static_assert(ZP_ADDRESS_TEXT_BYTES_MAX == INET6_ADDRSTRLEN,
               "ADDRESS_TEXT_BYTES_MAX");
_Static_assert((long long)ZP_AF_INET == (long long)AF_INET,
               "AF_INET");
_Static_assert((long long)ZP_AF_INET6 == (long long)AF_INET6,
               "AF_INET6");
_Static_assert(ZP_BUF_ADDR_LOW * 4 == offsetof(struct io_uring_buf, addr),
               "BUF_ADDR_LOW");
_Static_assert(ZP_BUF_ID_U16 * 2 == offsetof(struct io_uring_buf, bid),
               "BUF_ID_U16");
_Static_assert(ZP_BUF_LEN * 4 == offsetof(struct io_uring_buf, len),
               "BUF_LEN");
_Static_assert(ZP_BUF_RING_TAIL_U16 * 2 == offsetof(struct io_uring_buf_ring, tail),
               "BUF_RING_TAIL_U16");
_Static_assert(ZP_BUF_U16S * 2 == sizeof(struct io_uring_buf),
               "BUF_U16S");
_Static_assert(ZP_BUF_WORDS * 4 == sizeof(struct io_uring_buf),
               "BUF_WORDS");
_Static_assert(ZP_CMSGHDR_LENGTH_LOW * 4 == offsetof(struct cmsghdr, cmsg_len),
               "CMSGHDR_LENGTH_LOW");
_Static_assert(ZP_CMSGHDR_LEVEL * 4 == offsetof(struct cmsghdr, cmsg_level),
               "CMSGHDR_LEVEL");
_Static_assert(ZP_CMSGHDR_TYPE * 4 == offsetof(struct cmsghdr, cmsg_type),
               "CMSGHDR_TYPE");
_Static_assert(ZP_CMSGHDR_WORDS * 4 == sizeof(struct cmsghdr),
               "CMSGHDR_WORDS");
_Static_assert(ZP_CQE_FLAGS * 4 == offsetof(struct io_uring_cqe, flags),
               "CQE_FLAGS");
_Static_assert(ZP_CQE_RESULT * 4 == offsetof(struct io_uring_cqe, res),
               "CQE_RESULT");
_Static_assert(ZP_CQE_USER_DATA_HIGH == ZP_CQE_USER_DATA_LOW + 1,
               "CQE_USER_DATA_HIGH");
_Static_assert(ZP_CQE_USER_DATA_LOW * 4 == offsetof(struct io_uring_cqe, user_data),
               "CQE_USER_DATA_LOW");
_Static_assert(ZP_CQE_WORDS * 4 == sizeof(struct io_uring_cqe),
               "CQE_WORDS");
_Static_assert((long long)ZP_EACCES == (long long)EACCES,
               "EACCES");
_Static_assert((long long)ZP_EADDRNOTAVAIL == (long long)EADDRNOTAVAIL,
               "EADDRNOTAVAIL");
_Static_assert((long long)ZP_EAGAIN == (long long)EAGAIN,
               "EAGAIN");
_Static_assert((long long)ZP_EALREADY == (long long)EALREADY,
               "EALREADY");
_Static_assert((long long)ZP_EBADF == (long long)EBADF,
               "EBADF");
_Static_assert((long long)ZP_ECANCELED == (long long)ECANCELED,
               "ECANCELED");
_Static_assert((long long)ZP_ECONNABORTED == (long long)ECONNABORTED,
               "ECONNABORTED");
_Static_assert((long long)ZP_ECONNREFUSED == (long long)ECONNREFUSED,
               "ECONNREFUSED");
_Static_assert((long long)ZP_ECONNRESET == (long long)ECONNRESET,
               "ECONNRESET");
_Static_assert((long long)ZP_EEXIST == (long long)EEXIST,
               "EEXIST");
_Static_assert((long long)ZP_EFAULT == (long long)EFAULT,
               "EFAULT");
_Static_assert((long long)ZP_EHOSTUNREACH == (long long)EHOSTUNREACH,
               "EHOSTUNREACH");
_Static_assert((long long)ZP_EINVAL == (long long)EINVAL,
               "EINVAL");
_Static_assert((long long)ZP_EIO == (long long)EIO,
               "EIO");
_Static_assert((long long)ZP_EISCONN == (long long)EISCONN,
               "EISCONN");
_Static_assert((long long)ZP_EISDIR == (long long)EISDIR,
               "EISDIR");
_Static_assert((long long)ZP_ELOOP == (long long)ELOOP,
               "ELOOP");
_Static_assert((long long)ZP_EMFILE == (long long)EMFILE,
               "EMFILE");
_Static_assert((long long)ZP_ENAMETOOLONG == (long long)ENAMETOOLONG,
               "ENAMETOOLONG");
_Static_assert((long long)ZP_ENFILE == (long long)ENFILE,
               "ENFILE");
_Static_assert((long long)ZP_ENOBUFS == (long long)ENOBUFS,
               "ENOBUFS");
_Static_assert((long long)ZP_ENODEV == (long long)ENODEV,
               "ENODEV");
_Static_assert((long long)ZP_ENOENT == (long long)ENOENT,
               "ENOENT");
_Static_assert((long long)ZP_ENOMEM == (long long)ENOMEM,
               "ENOMEM");
_Static_assert((long long)ZP_ENOTCONN == (long long)ENOTCONN,
               "ENOTCONN");
_Static_assert((long long)ZP_ENOTDIR == (long long)ENOTDIR,
               "ENOTDIR");
_Static_assert((long long)ZP_ENXIO == (long long)ENXIO,
               "ENXIO");
_Static_assert((long long)ZP_EOPNOTSUPP == (long long)EOPNOTSUPP,
               "EOPNOTSUPP");
_Static_assert((long long)ZP_EPERM == (long long)EPERM,
               "EPERM");
_Static_assert((long long)ZP_EPIPE == (long long)EPIPE,
               "EPIPE");
_Static_assert((long long)ZP_EPROTO == (long long)EPROTO,
               "EPROTO");
_Static_assert((long long)ZP_ETIMEDOUT == (long long)ETIMEDOUT,
               "ETIMEDOUT");
_Static_assert((long long)ZP_EXDEV == (long long)EXDEV,
               "EXDEV");
_Static_assert(ZP_FILTER_BYTES == sizeof(struct sock_filter),
               "FILTER_BYTES");
_Static_assert(ZP_FILTER_CODE * 1 == offsetof(struct sock_filter, code),
               "FILTER_CODE");
_Static_assert(ZP_FILTER_COUNT_MAX <= BPF_MAXINSNS,
               "FILTER_COUNT_MAX");
_Static_assert(ZP_FILTER_IF_FALSE * 1 == offsetof(struct sock_filter, jf),
               "FILTER_IF_FALSE");
_Static_assert(ZP_FILTER_IF_TRUE * 1 == offsetof(struct sock_filter, jt),
               "FILTER_IF_TRUE");
_Static_assert(ZP_FILTER_OPERAND * 1 == offsetof(struct sock_filter, k),
               "FILTER_OPERAND");
_Static_assert((long long)ZP_IORING_ACCEPT_MULTISHOT == (long long)IORING_ACCEPT_MULTISHOT,
               "IORING_ACCEPT_MULTISHOT");
_Static_assert((long long)ZP_IORING_ASYNC_CANCEL_ALL == (long long)IORING_ASYNC_CANCEL_ALL,
               "IORING_ASYNC_CANCEL_ALL");
_Static_assert((long long)ZP_IORING_ASYNC_CANCEL_FD == (long long)IORING_ASYNC_CANCEL_FD,
               "IORING_ASYNC_CANCEL_FD");
_Static_assert((long long)ZP_IORING_CQE_BUFFER_SHIFT == (long long)IORING_CQE_BUFFER_SHIFT,
               "IORING_CQE_BUFFER_SHIFT");
_Static_assert((long long)ZP_IORING_CQE_F_BUFFER == (long long)IORING_CQE_F_BUFFER,
               "IORING_CQE_F_BUFFER");
_Static_assert((long long)ZP_IORING_CQE_F_MORE == (long long)IORING_CQE_F_MORE,
               "IORING_CQE_F_MORE");
_Static_assert((long long)ZP_IORING_CQE_F_SOCK_NONEMPTY == (long long)IORING_CQE_F_SOCK_NONEMPTY,
               "IORING_CQE_F_SOCK_NONEMPTY");
_Static_assert((long long)ZP_IORING_FEAT_NODROP == (long long)IORING_FEAT_NODROP,
               "IORING_FEAT_NODROP");
_Static_assert((long long)ZP_IORING_OP_ACCEPT == (long long)IORING_OP_ACCEPT,
               "IORING_OP_ACCEPT");
_Static_assert((long long)ZP_IORING_OP_ASYNC_CANCEL == (long long)IORING_OP_ASYNC_CANCEL,
               "IORING_OP_ASYNC_CANCEL");
_Static_assert((long long)ZP_IORING_OP_CLOSE == (long long)IORING_OP_CLOSE,
               "IORING_OP_CLOSE");
_Static_assert((long long)ZP_IORING_OP_CONNECT == (long long)IORING_OP_CONNECT,
               "IORING_OP_CONNECT");
_Static_assert((long long)ZP_IORING_OP_FILES_UPDATE == (long long)IORING_OP_FILES_UPDATE,
               "IORING_OP_FILES_UPDATE");
_Static_assert((long long)ZP_IORING_OP_NOP == (long long)IORING_OP_NOP,
               "IORING_OP_NOP");
_Static_assert((long long)ZP_IORING_OP_OPENAT2 == (long long)IORING_OP_OPENAT2,
               "IORING_OP_OPENAT2");
_Static_assert((long long)ZP_IORING_OP_POLL_ADD == (long long)IORING_OP_POLL_ADD,
               "IORING_OP_POLL_ADD");
_Static_assert((long long)ZP_IORING_OP_READ == (long long)IORING_OP_READ,
               "IORING_OP_READ");
_Static_assert((long long)ZP_IORING_OP_RECV == (long long)IORING_OP_RECV,
               "IORING_OP_RECV");
_Static_assert((long long)ZP_IORING_OP_SEND == (long long)IORING_OP_SEND,
               "IORING_OP_SEND");
_Static_assert((long long)ZP_IORING_OP_SENDMSG == (long long)IORING_OP_SENDMSG,
               "IORING_OP_SENDMSG");
_Static_assert((long long)ZP_IORING_RECVSEND_POLL_FIRST == (long long)IORING_RECVSEND_POLL_FIRST,
               "IORING_RECVSEND_POLL_FIRST");
_Static_assert((long long)ZP_IORING_RECV_MULTISHOT == (long long)IORING_RECV_MULTISHOT,
               "IORING_RECV_MULTISHOT");
_Static_assert((long long)ZP_IOSQE_BUFFER_SELECT == (long long)IOSQE_BUFFER_SELECT,
               "IOSQE_BUFFER_SELECT");
_Static_assert((long long)ZP_IOSQE_FIXED_FILE == (long long)IOSQE_FIXED_FILE,
               "IOSQE_FIXED_FILE");
_Static_assert(ZP_IOVEC_BASE_HIGH == ZP_IOVEC_BASE_LOW + 1,
               "IOVEC_BASE_HIGH");
_Static_assert(ZP_IOVEC_BASE_LOW * 4 == offsetof(struct iovec, iov_base),
               "IOVEC_BASE_LOW");
_Static_assert(ZP_IOVEC_LENGTH * 4 == offsetof(struct iovec, iov_len),
               "IOVEC_LENGTH");
_Static_assert(ZP_IOVEC_WORDS * 4 == sizeof(struct iovec),
               "IOVEC_WORDS");
_Static_assert(ZP_MSGHDR_CONTROL_HIGH == ZP_MSGHDR_CONTROL_LOW + 1,
               "MSGHDR_CONTROL_HIGH");
_Static_assert(ZP_MSGHDR_CONTROL_LENGTH * 4 == offsetof(struct msghdr, msg_controllen),
               "MSGHDR_CONTROL_LENGTH");
_Static_assert(ZP_MSGHDR_CONTROL_LOW * 4 == offsetof(struct msghdr, msg_control),
               "MSGHDR_CONTROL_LOW");
_Static_assert(ZP_MSGHDR_IOV_COUNT * 4 == offsetof(struct msghdr, msg_iovlen),
               "MSGHDR_IOV_COUNT");
_Static_assert(ZP_MSGHDR_IOV_HIGH == ZP_MSGHDR_IOV_LOW + 1,
               "MSGHDR_IOV_HIGH");
_Static_assert(ZP_MSGHDR_IOV_LOW * 4 == offsetof(struct msghdr, msg_iov),
               "MSGHDR_IOV_LOW");
_Static_assert(ZP_MSGHDR_WORDS * 4 == sizeof(struct msghdr),
               "MSGHDR_WORDS");
_Static_assert((long long)ZP_MSG_MORE == (long long)MSG_MORE,
               "MSG_MORE");
_Static_assert((long long)ZP_MSG_NOSIGNAL == (long long)MSG_NOSIGNAL,
               "MSG_NOSIGNAL");
_Static_assert((long long)ZP_MSG_WAITALL == (long long)MSG_WAITALL,
               "MSG_WAITALL");
_Static_assert(ZP_OPEN_HOW_BYTES == sizeof(struct open_how),
               "OPEN_HOW_BYTES");
_Static_assert(ZP_OPEN_HOW_FLAGS * 4 == offsetof(struct open_how, flags),
               "OPEN_HOW_FLAGS");
_Static_assert(ZP_OPEN_HOW_RESOLVE * 4 == offsetof(struct open_how, resolve),
               "OPEN_HOW_RESOLVE");
_Static_assert((long long)ZP_O_CLOEXEC == (long long)O_CLOEXEC,
               "O_CLOEXEC");
_Static_assert((long long)ZP_O_NOCTTY == (long long)O_NOCTTY,
               "O_NOCTTY");
_Static_assert((long long)ZP_O_NONBLOCK == (long long)O_NONBLOCK,
               "O_NONBLOCK");
_Static_assert((long long)ZP_O_RDONLY == (long long)O_RDONLY,
               "O_RDONLY");
_Static_assert((long long)ZP_POLLERR == (long long)POLLERR,
               "POLLERR");
_Static_assert((long long)ZP_POLLHUP == (long long)POLLHUP,
               "POLLHUP");
_Static_assert((long long)ZP_POLLOUT == (long long)POLLOUT,
               "POLLOUT");
_Static_assert((long long)ZP_RESOLVE_BENEATH == (long long)RESOLVE_BENEATH,
               "RESOLVE_BENEATH");
_Static_assert((long long)ZP_RESOLVE_NO_MAGICLINKS == (long long)RESOLVE_NO_MAGICLINKS,
               "RESOLVE_NO_MAGICLINKS");
_Static_assert(ZP_SOCKADDR_BYTES_MAX >= sizeof(struct sockaddr_in6),
               "SOCKADDR_BYTES_MAX");
_Static_assert(ZP_SOCKADDR_IN6_BYTES == sizeof(struct sockaddr_in6),
               "SOCKADDR_IN6_BYTES");
_Static_assert(ZP_SOCKADDR_IN_BYTES == sizeof(struct sockaddr_in),
               "SOCKADDR_IN_BYTES");
_Static_assert((long long)ZP_SOCK_CLOEXEC == (long long)SOCK_CLOEXEC,
               "SOCK_CLOEXEC");
_Static_assert((long long)ZP_SOCK_NONBLOCK == (long long)SOCK_NONBLOCK,
               "SOCK_NONBLOCK");
_Static_assert((long long)ZP_SOL_TLS == (long long)SOL_TLS,
               "SOL_TLS");
_Static_assert(ZP_SQE_ADDR_LOW * 4 == offsetof(struct io_uring_sqe, addr),
               "SQE_ADDR_LOW");
_Static_assert(ZP_SQE_BUFFER * 4 == offsetof(struct io_uring_sqe, buf_group),
               "SQE_BUFFER");
_Static_assert(ZP_SQE_FD * 4 == offsetof(struct io_uring_sqe, fd),
               "SQE_FD");
_Static_assert(ZP_SQE_HEAD * 4 == offsetof(struct io_uring_sqe, opcode),
               "SQE_HEAD");
_Static_assert(ZP_SQE_HEAD_FLAGS_SHIFT == 8 * offsetof(struct io_uring_sqe, flags),
               "SQE_HEAD_FLAGS_SHIFT");
_Static_assert(ZP_SQE_HEAD_IOPRIO_SHIFT == 8 * offsetof(struct io_uring_sqe, ioprio),
               "SQE_HEAD_IOPRIO_SHIFT");
_Static_assert(ZP_SQE_LEN * 4 == offsetof(struct io_uring_sqe, len),
               "SQE_LEN");
_Static_assert(ZP_SQE_OFF_LOW * 4 == offsetof(struct io_uring_sqe, off),
               "SQE_OFF_LOW");
_Static_assert(ZP_SQE_OP_FLAGS * 4 == offsetof(struct io_uring_sqe, msg_flags),
               "SQE_OP_FLAGS");
_Static_assert(ZP_SQE_USER_DATA_HIGH == ZP_SQE_USER_DATA_LOW + 1,
               "SQE_USER_DATA_HIGH");
_Static_assert(ZP_SQE_USER_DATA_LOW * 4 == offsetof(struct io_uring_sqe, user_data),
               "SQE_USER_DATA_LOW");
_Static_assert(ZP_SQE_WORDS * 4 == sizeof(struct io_uring_sqe),
               "SQE_WORDS");
_Static_assert(ZP_TLS_SET_RECORD_TYPE == TLS_SET_RECORD_TYPE,
               "TLS_SET_RECORD_TYPE");
#endif

#endif
