// Every number that TypeScript and C both use. native/generate.ts prints this table as
// native/abi.generated.h, and native/abi.c asserts it against the system's headers, so a wrong row
// does not compile. Plain constants, because esbuild folds them into the code that uses them.
//
// Kernel versions in the comments are the first that has the thing; 6.1 is what zproxy asks for.
// Little-endian machines only (asserted too).

/**
 * Names the surface between the addon and a bundle: the numbers of this file and the calls of
 * runtime/native.ts. A server refuses an addon of another version, because one that reads a word
 * where the other does not write it corrupts memory instead of failing. So every change of the
 * surface raises it, however small; test/native/abi.test.ts keeps the hash of the last one.
 */
export const ABI_VERSION = 11;

// ── Ring memory ─────────────────────────────────────────────────────────────────────────────────

// Indexes into RingMemory.offsets, whose values are byte offsets into RingMemory.rings.
export const RING_OFFSET_SQ_HEAD = 0;
export const RING_OFFSET_SQ_TAIL = 1;
export const RING_OFFSET_SQ_MASK = 2;
export const RING_OFFSET_SQ_ENTRIES = 3;
/** The SQ index array. ringOpen fills it with 0, 1, 2, …, so nobody needs to write it. */
export const RING_OFFSET_SQ_ARRAY = 4;
export const RING_OFFSET_CQ_HEAD = 5;
export const RING_OFFSET_CQ_TAIL = 6;
export const RING_OFFSET_CQ_MASK = 7;
export const RING_OFFSET_CQ_ENTRIES = 8;
export const RING_OFFSET_CQ_CQES = 9;
export const RING_OFFSET_COUNT = 10;

// struct io_uring_sqe as u32 words; the high word of a u64 follows its low one. SQE_HEAD packs
// opcode, flags and ioprio; SQE_BUFFER packs buf_group (or buf_index) and personality: one store
// each.
export const SQE_WORDS = 16;
export const SQE_HEAD = 0;
export const SQE_HEAD_FLAGS_SHIFT = 8;
export const SQE_HEAD_IOPRIO_SHIFT = 16;
export const SQE_FD = 1;
export const SQE_OFF_LOW = 2;
export const SQE_ADDR_LOW = 4;
export const SQE_LEN = 6;
/** msg_flags, accept_flags, poll32_events, cancel_flags: the opcode decides. */
export const SQE_OP_FLAGS = 7;
export const SQE_USER_DATA_LOW = 8;
export const SQE_USER_DATA_HIGH = 9;
export const SQE_BUFFER = 10;

// struct io_uring_cqe as u32 words; CQE_RESULT is signed (read it through an Int32Array).
export const CQE_WORDS = 4;
export const CQE_USER_DATA_LOW = 0;
export const CQE_USER_DATA_HIGH = 1;
export const CQE_RESULT = 2;
export const CQE_FLAGS = 3;

// struct io_uring_buf in a provided-buffer ring (5.19), as u32 words. The id is written as a u16,
// because the u16 above the id of entry 0 is the ring's tail.
export const BUF_WORDS = 4;
export const BUF_ADDR_LOW = 0;
export const BUF_LEN = 2;
export const BUF_ID_U16 = 6;
export const BUF_U16S = 8;
export const BUF_RING_TAIL_U16 = 7;

// user_data: low word = slot, high word = (op << 24) | generation. Native code knows two of the
// ops, USER_OP_ACCEPT and USER_OP_FILE_OPEN: their result is a new descriptor, so that releaseOwner
// can close one that no JavaScript has seen.
export const USER_DATA_OP_SHIFT = 24;
export const USER_OP_ACCEPT = 1;
export const USER_OP_FILE_OPEN = 2;
export const USER_OP_RECEIVE = 3;
export const USER_OP_SEND = 4;
export const USER_OP_CONNECT = 5;
export const USER_OP_CLOSE = 6;
export const USER_OP_CANCEL = 7;
export const USER_OP_POLL = 8;
export const USER_OP_FILE_READ = 9;
export const USER_OP_WAKE = 10;
export const USER_OP_FIX = 11;

/** What ringOpen takes as the engine behind the queues. */
export const ENGINE_IO_URING = 0;
export const ENGINE_EPOLL = 1;

/** One ring for each handle, one owner for each worker. */
export const RING_COUNT_MAX = 256;
export const OWNER_MAX = 254;
/** Entries of owners(): descriptors above have no owner, so raiseFileLimit stops here. */
export const OWNER_TABLE_BYTES = 1048576;
/** The kernel's own limits (IORING_MAX_ENTRIES, IORING_MAX_CQ_ENTRIES, provided-buffer rings). */
export const SQ_ENTRIES_MAX = 32768;
export const CQ_ENTRIES_MAX = 65536;
export const BUF_RING_ENTRIES_MAX = 32768;
/** Largest mapping: every offset in it stays a small integer of V8. */
export const MAP_BYTES_MAX = 2147483647;

// ── Opcodes ─────────────────────────────────────────────────────────────────────────────────────

export const IORING_OP_NOP = 0; // 5.1
export const IORING_OP_POLL_ADD = 6; // 5.1
export const IORING_OP_SENDMSG = 9; // 5.3
export const IORING_OP_ACCEPT = 13; // 5.5; multishot 5.19
export const IORING_OP_ASYNC_CANCEL = 14; // 5.5; by descriptor 5.19
export const IORING_OP_CONNECT = 16; // 5.5
export const IORING_OP_CLOSE = 19; // 5.6
export const IORING_OP_FILES_UPDATE = 20; // 5.6
export const IORING_OP_READ = 22; // 5.6
export const IORING_OP_SEND = 26; // 5.6
export const IORING_OP_RECV = 27; // 5.6; multishot 6.0
export const IORING_OP_OPENAT2 = 28; // 5.6

// ── Flags of submissions and completions ────────────────────────────────────────────────────────

export const IOSQE_FIXED_FILE = 1; // 5.1
export const IOSQE_BUFFER_SELECT = 32; // 5.7

export const IORING_CQE_F_BUFFER = 1; // 5.7
export const IORING_CQE_F_MORE = 2; // 5.13
export const IORING_CQE_F_SOCK_NONEMPTY = 4; // 5.19
/** The buffer id of a completion with IORING_CQE_F_BUFFER is flags >>> this. */
export const IORING_CQE_BUFFER_SHIFT = 16; // 5.7

export const IORING_ACCEPT_MULTISHOT = 1; // in ioprio, 5.19
export const IORING_RECVSEND_POLL_FIRST = 1; // in ioprio, 5.19
export const IORING_RECV_MULTISHOT = 2; // in ioprio, 6.0

export const IORING_ASYNC_CANCEL_ALL = 1; // 5.19
export const IORING_ASYNC_CANCEL_FD = 2; // 5.19

export const IORING_FEAT_NODROP = 2; // 5.5

// ── Sockets ─────────────────────────────────────────────────────────────────────────────────────

export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;

export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;

export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;
/** What writeSockaddr needs from its offset on, whichever family it writes. */
export const SOCKADDR_BYTES_MAX = 28;
/** What peerAddress needs from its offset on (INET6_ADDRSTRLEN). */
export const ADDRESS_TEXT_BYTES_MAX = 46;

// What a mapping's memory is made of.
export const PAGES_ORDINARY = 0;
/** Ordinary pages that the kernel may join to huge ones (MADV_HUGEPAGE). */
export const PAGES_TRANSPARENT = 1;
/** Pages from the system's reserve of huge ones (MAP_HUGETLB). */
export const PAGES_HUGE = 2;

// struct sock_filter: what attachFilter takes, and at most so many of them (the kernel's own limit
// is 4096, which would be half a stack).
export const FILTER_BYTES = 8;
export const FILTER_COUNT_MAX = 256;
/** A u16. */
export const FILTER_CODE = 0;
export const FILTER_IF_TRUE = 2;
export const FILTER_IF_FALSE = 3;
/** A u32. */
export const FILTER_OPERAND = 4;

// struct msghdr and struct iovec as u32 words; the u64 lengths have a high word of 0.
export const MSGHDR_WORDS = 14;
export const MSGHDR_IOV_LOW = 4;
export const MSGHDR_IOV_HIGH = 5;
export const MSGHDR_IOV_COUNT = 6;
export const MSGHDR_CONTROL_LOW = 8;
export const MSGHDR_CONTROL_HIGH = 9;
export const MSGHDR_CONTROL_LENGTH = 10;
export const IOVEC_WORDS = 4;
export const IOVEC_BASE_LOW = 0;
export const IOVEC_BASE_HIGH = 1;
export const IOVEC_LENGTH = 2;

/** struct cmsghdr as u32 words, and where its data begin. */
export const CMSGHDR_LENGTH_LOW = 0;
export const CMSGHDR_LEVEL = 2;
export const CMSGHDR_TYPE = 3;
export const CMSGHDR_WORDS = 4;

/** The control message that gives a record sent through kTLS (4.13) another type than content. */
export const SOL_TLS = 282;
export const TLS_SET_RECORD_TYPE = 1;

// ── Files ───────────────────────────────────────────────────────────────────────────────────────

/** struct open_how as u32 words (OPENAT2, 5.6); the high words are 0. */
export const OPEN_HOW_BYTES = 24;
export const OPEN_HOW_FLAGS = 0;
export const OPEN_HOW_RESOLVE = 4;

export const O_RDONLY = 0;
export const O_NOCTTY = 0x100;
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x80000;

export const RESOLVE_NO_MAGICLINKS = 0x02; // 5.6
export const RESOLVE_BENEATH = 0x08; // 5.6

// Indexes of the doubles that fileStatus writes.
export const FILE_STATUS_SIZE = 0;
export const FILE_STATUS_MTIME_SECS = 1;
export const FILE_STATUS_MTIME_NANOS = 2;
export const FILE_STATUS_IS_REGULAR = 3;
export const FILE_STATUS_IS_DIRECTORY = 4;
export const FILE_STATUS_WORDS = 5;

// ── TLS ─────────────────────────────────────────────────────────────────────────────────────────

// The u32 words of a tlsStep: what to do, then what was done. Offsets are into its memory.
export const TLS_WORD_OP = 0;
export const TLS_WORD_HANDLE = 1;
/** Records: where the peer's are, and how many bytes; the result is how many were taken. */
export const TLS_WORD_INPUT = 2;
export const TLS_WORD_INPUT_BYTES = 3;
/** Records: room for ours; the result is how many bytes were made. */
export const TLS_WORD_OUTPUT = 4;
export const TLS_WORD_OUTPUT_BYTES = 5;
/** Content to seal, or room for what is opened; the result is how many bytes were. */
export const TLS_WORD_PLAIN = 6;
export const TLS_WORD_PLAIN_BYTES = 7;
/** Seal: the most content of one record. */
export const TLS_WORD_RECORD_BYTES = 8;
/** Result: handshake messages that the peer has sent since its handshake was done, modulo 2^32. */
export const TLS_WORD_MESSAGES = 9;
/** Result: 1 when OpenSSL keeps part of a record, or content. */
export const TLS_WORD_HELD = 10;
export const TLS_WORDS = 11;

// What a step does.
export const TLS_HANDSHAKE = 0;
/** Records to content. */
export const TLS_OPEN = 1;
/** Content to records. */
export const TLS_SEAL = 2;
/** Makes the alert close_notify. */
export const TLS_END = 3;

// What a step returns, when it is not an error.
/** All input is taken, and more is needed to go on. */
export const TLS_WANT_INPUT = 0;
/** There is no room left for the records that have to be sent. */
export const TLS_WANT_OUTPUT = 1;
/** The handshake is done; all content is sealed; the room for content is full. */
export const TLS_DONE = 2;
/** The peer's close_notify has come. */
export const TLS_ENDED = 3;

/** In place of a handle, where a connection changes its owner: all of its TLS is in the kernel. */
export const TLS_IN_KERNEL = 0x7fffffff;

/** The largest content of a record (RFC 8446 section 5.1). */
export const TLS_RECORD_BYTES_MAX = 16384;
export const TLS_CONTEXT_COUNT_MAX = 4096;
/** With the NUL at its end. */
export const TLS_ERROR_BYTES_MAX = 200;

// ── Clock ───────────────────────────────────────────────────────────────────────────────────────

// Indexes of the u32 words of ringClock, all modulo 2^32.
/** CLOCK_MONOTONIC in milliseconds; wraps after 49 days: compare by difference. */
export const CLOCK_MONOTONIC_MS = 0;
/** CLOCK_MONOTONIC in microseconds, for durations below 71 minutes. */
export const CLOCK_MONOTONIC_US = 1;
/** CLOCK_REALTIME in whole seconds, and the milliseconds (0..999) that go with them. */
export const CLOCK_REALTIME_SECS = 2;
export const CLOCK_REALTIME_MILLIS = 3;
export const CLOCK_WORDS = 4;

// ── Errors: results are -errno ──────────────────────────────────────────────────────────────────

export const EPERM = 1;
export const ENOENT = 2;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const EPIPE = 32;
export const ENAMETOOLONG = 36;
export const ELOOP = 40;
export const EPROTO = 71;
export const EOPNOTSUPP = 95;
export const EADDRNOTAVAIL = 99;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const ECANCELED = 125;
