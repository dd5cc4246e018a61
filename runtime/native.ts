// The surface of the native addon, as TypeScript sees it. Every call returns an integer: >= 0 is a
// value, < 0 is -errno; an argument of the wrong type or range throws a TypeError. Byte layouts
// that both sides touch come from native/abi.ts. All threads share descriptors, owners and rings.

/** A mapped io_uring. JavaScript writes SQEs and reads CQEs in this memory itself. */
export interface RingMemory {
  /** The ring's handle, for the other ring calls. */
  readonly handle: number;
  /** SQ and CQ rings, one mapping (IORING_FEAT_SINGLE_MMAP, since 5.4). */
  readonly rings: ArrayBuffer;
  readonly sqes: ArrayBuffer;
  /** Byte offsets into `rings`, indexed by RING_OFFSET_* of native/abi.ts. */
  readonly offsets: Uint32Array;
  /** Powers of two. The SQ index array is filled: entry `i` is SQE `i & (sqEntries - 1)`. */
  readonly sqEntries: number;
  readonly cqEntries: number;
  /** IORING_FEAT_* bits. */
  readonly features: number;
}

/** Memory shared with the kernel and with nobody else; it never straddles a 4 GiB boundary. */
export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** The address of byte 0, as two u32: `(high << 32) | low`. */
  readonly addressLow: number;
  readonly addressHigh: number;
  /** PAGES_* of native/abi.ts. */
  readonly pages: number;
}

/** What the kernel offers, probed once at start. `cause` and `remedy`: sentences, "" when fine. */
export interface KernelProbe {
  readonly ioUring: boolean;
  readonly cause: string;
  readonly remedy: string;
}

export interface Addon {
  /** Equal to ABI_VERSION of native/abi.ts, or the addon and the bundle do not belong together. */
  readonly abiVersion: number;

  probe(): KernelProbe;

  /**
   * Opens a ring for `owner` (a worker's number, 0..254) on ENGINE_IO_URING, with SINGLE_ISSUER,
   * DEFER_TASKRUN, SUBMIT_ALL and CQSIZE, or on ENGINE_EPOLL, which serves the same queues with
   * epoll; entries are powers of two. The calling thread becomes the only one that may enter,
   * register buffers and close it (-EEXIST for others). Returns -errno on failure.
   */
  ringOpen(
    owner: number,
    sqEntries: number,
    cqEntries: number,
    engine: number,
  ): RingMemory | number;
  /**
   * Registers a provided-buffer ring (since 5.19) of `entries` (a power of two) under `group`.
   * Returns its memory (struct io_uring_buf_ring), or -errno.
   */
  ringBuffers(handle: number, group: number, entries: number): Mapping | number;
  /**
   * Makes room for `count` registered files (IORING_REGISTER_FILES2), all empty. Returns how many
   * there may be, or -errno: -EOPNOTSUPP before 6.14.
   */
  ringFixedFiles(handle: number, count: number): number;
  /**
   * Submits `toSubmit` SQEs and waits for `minComplete` CQEs, at most `timeoutMs`. Returns the
   * number submitted or -errno; a timeout or a signal is not an error. Refreshes the clock words.
   * -EBUSY: the completion queue overflowed and must be read before more is submitted.
   */
  ringEnter(handle: number, toSubmit: number, minComplete: number, timeoutMs: number): number;
  /**
   * Words that `ringEnter` refreshes before it returns, one set for each ring, modulo 2^32 (CLOCK_*
   * indexes of native/abi.ts). They stay readable after the ring is closed. Throws for a handle
   * that is not an open ring.
   */
  ringClock(handle: number): Uint32Array;
  /**
   * Cancels what waits, closes the ring and unmaps it. `rings` and `sqes` must not be touched
   * afterwards; mappings and provided-buffer rings stay until `releaseOwner`, because a kernel
   * thread may still be filling them.
   */
  ringClose(handle: number): number;

  /**
   * Maps anonymous memory (lazily backed, at most MAP_BYTES_MAX) that lives until `owner` is
   * released, or -errno. `hugePages`: MAP_HUGETLB, then ordinary pages + MADV_HUGEPAGE.
   */
  map(owner: number, bytes: number, hugePages: boolean): Mapping | number;

  /**
   * The table of descriptor owners, one byte for each descriptor: 0 is nobody, n is worker n - 1.
   * Calls that take an `owner` enter what they open, `close` strikes it out; the rest is the
   * worker's. It enters what a completion brings (accept, openat2) before the CQ head passes that
   * completion, moves the head before it acts on the next one, and strikes out what it closes
   * through the ring before the SQ tail passes that submission. Then releaseOwner closes each
   * descriptor exactly once, whenever the worker dies.
   */
  owners(): Uint8Array;
  /**
   * Closes every descriptor that `owner` holds, also those that only its ring knows (completions
   * with USER_OP_ACCEPT or USER_OP_FILE_OPEN that nobody read, close submissions not yet taken),
   * and frees its rings, mappings and TLS connections: no view of them may be touched afterwards.
   * For a worker whose thread has ended; called from the main thread. Returns how many descriptors
   * it closed.
   */
  releaseOwner(owner: number): number;

  /**
   * Lets another worker go on with a descriptor of `owner` on which nothing is under way, and with
   * the TLS connection `tls` (or TLS_IN_KERNEL; -1: none) that belongs to it. It stays entered for
   * `owner` until `takeUp`; whatever closes it first frees both. -EINVAL: nothing has changed.
   */
  letGo(owner: number, fd: number, tls: number): number;
  /**
   * Goes on with such a descriptor, in the thread of `owner`. Returns the handle of its TLS
   * connection among the owner's, or TLS_IN_KERNEL; -ENOENT: it has none.
   */
  takeUp(owner: number, fd: number): number;

  /** Ids by name, as getpwnam(3) and getgrnam(3) find them; -ENOENT: nobody has the name. */
  userId(name: string): number;
  /** The group that a user belongs to first. */
  userGroupId(name: string): number;
  groupId(name: string): number;

  /**
   * A bound, listening, non-blocking TCP socket with SO_REUSEADDR, SO_REUSEPORT and TCP_NODELAY
   * (which accepted sockets inherit). "::" takes IPv4 clients too, other IPv6 addresses do not.
   * -EINVAL: `address` is not a literal. Nobody owns it.
   */
  listen(address: string, port: number, backlog: number): number;
  /**
   * Lets a classic BPF program choose among the sockets that listen on the port of `fd`, in the
   * order of their `listen` (SO_ATTACH_REUSEPORT_CBPF, since 4.5): `count` instructions of
   * FILTER_BYTES at `offset` of `memory`. -EINVAL: the kernel does not take the program. No
   * instructions: its own hash chooses again (since 5.3).
   */
  attachFilter(fd: number, memory: Uint8Array, offset: number, count: number): number;
  /**
   * Takes over a listening TCP socket that another process has made (non-blocking, closed on exec,
   * TCP_NODELAY): writes the sockaddr it is bound to, like `writeSockaddr`, and returns its length.
   * -EINVAL: it is something else.
   */
  adopt(fd: number, memory: Uint8Array, offset: number): number;
  /** Sends `text` as a datagram to a Unix socket; "@" begins an abstract name. 0 or -errno. */
  notify(address: string, text: string): number;
  /** The port a socket is bound to. */
  localPort(fd: number): number;
  /**
   * Sends a FIN (`shutdown(2)`, SHUT_WR). Not through the ring: it hands SHUTDOWN to a thread that
   * looks the descriptor up late, when it may be another connection's.
   */
  shutdownWrite(fd: number): number;
  /** 1 when a receive would bring something now: bytes, an end or an error. Otherwise 0. */
  readable(fd: number): number;
  /** Bytes that have been sent and that the peer has not acknowledged. */
  unacknowledged(fd: number): number;
  /** A non-blocking TCP socket with TCP_NODELAY for `owner`. `ipv6`: AF_INET6. */
  socket(owner: number, ipv6: boolean): number;
  /**
   * Writes a sockaddr for a literal address at `offset` of `memory`, which must have room for
   * SOCKADDR_BYTES_MAX there; returns its length. -EINVAL: `address` is not a literal.
   */
  writeSockaddr(memory: Uint8Array, offset: number, address: string, port: number): number;
  /**
   * Writes the peer's address as text (an IPv4-mapped one as IPv4) at `offset`, where there must be
   * room for ADDRESS_TEXT_BYTES_MAX; returns its length.
   */
  peerAddress(fd: number, memory: Uint8Array, offset: number): number;

  /**
   * Opens a directory (O_PATH) or a regular file (for reading) that a route names in its config.
   * -EINVAL: it is something else. Nobody owns the descriptor.
   */
  openRoot(path: string): number;
  /** `fstat`: writes FILE_STATUS_* words of native/abi.ts at `offset` of `words`; 0 or -errno. */
  fileStatus(fd: number, words: Float64Array, offset: number): number;
  /**
   * `sendfile(2)` from `offset`; returns bytes sent, or -errno (-EAGAIN: wait for POLLOUT). 0 with
   * a `count` above 0: the file ends before `offset`.
   */
  sendfile(socketFd: number, fileFd: number, offset: number, count: number): number;
  /** Strikes the descriptor out of the owner table and closes it. */
  close(fd: number): number;

  /** An eventfd (EFD_NONBLOCK is off: the ring reads it) owned by `owner`. */
  eventfd(owner: number): number;
  /** Adds 1 to an eventfd; the descriptor must still be one. */
  eventfdSignal(fd: number): number;

  /** The CPUs this thread may run on. */
  allowedCpus(): number[];
  /** Pins the calling thread. */
  pinThread(cpu: number): number;
  /** Raises RLIMIT_NOFILE to its hard limit or OWNER_TABLE_BYTES; returns the new soft limit. */
  raiseFileLimit(): number;
  /** Open descriptors of this process (entries of /proc/self/fd). */
  openFileCount(): number;
  /**
   * Ends the process at once (`_exit(2)`): Node's own exit would wait for a log that hangs in
   * write(2), and tear OpenSSL down below threads that still run.
   */
  exitNow(status: number): never;

  /**
   * What TLS connections are made with, by the OpenSSL that Node is linked to: a handle that all
   * threads may use. A server's has no certificate at first, a client's verifies nothing.
   */
  tlsContext(server: boolean, tls13Only: boolean): number;
  /** Certificate with its chain, and key; both PEM, from an offset to the array's end. */
  tlsCertificate(
    context: number,
    chain: Uint8Array,
    chainOffset: number,
    key: Uint8Array,
    keyOffset: number,
  ): number;
  /** The certificate and key that another context has. */
  tlsCertificateOf(context: number, other: number): number;
  /**
   * Clients that ask `context` for `name` get the certificate of `other`; "*." at its start takes
   * one label. The first entry of a name stays. Before the first connection.
   */
  tlsName(context: number, name: string, other: number): number;
  /**
   * Makes new keys for the session tickets of all servers' contexts. The ones before still open
   * their tickets, until the next change; then they are wiped. 0, or -EIO: no randomness.
   */
  tlsChangeTicketKeys(): number;
  /** A client's: verify servers against these PEM certificates; returns how many it took. */
  tlsRoots(context: number, pem: Uint8Array, offset: number): number;
  /**
   * Connections and peers go on: they hold what they need of it. No worker may use the handle for
   * new ones any more.
   */
  tlsContextFree(context: number): number;

  /**
   * A server's connection, known by a handle among its owner's. Like all that follows: for the
   * owner's thread alone, and freed with the owner.
   */
  tlsAccept(owner: number, context: number): number;
  /**
   * A server that `owner` connects to, by name or address literal; its last session is kept there.
   */
  tlsPeer(owner: number, context: number, host: string): number;
  /** A client's connection to a `tlsPeer`. */
  tlsConnect(owner: number, peer: number): number;
  /**
   * One step of a connection, as TLS_WORD_* of native/abi.ts say. Returns one of TLS_WANT_INPUT,
   * TLS_WANT_OUTPUT, TLS_DONE, TLS_ENDED; or -EPROTO: the connection has failed, the reason is
   * `tlsError`, and an alert may stand in the output.
   */
  tlsStep(
    owner: number,
    memory: Uint8Array,
    memoryOffset: number,
    words: Uint32Array,
    wordsOffset: number,
  ): number;
  /** What a handshake came to; -EINVAL before it is done. */
  tlsFacts(owner: number, handle: number): TlsFacts | number;
  tlsFree(owner: number, handle: number): number;
  /** Connections of all owners that have not been freed, those on their way included. */
  tlsCount(): number;
  /** Connections that are made with it are to go to the kernel (kTLS). Before the first of them. */
  tlsContextKernel(context: number): number;
  /**
   * Gives one direction of a connection to the kernel: its socket (`ktlsAttach`) then takes or
   * brings content. The handshake must be done. Output: all records made must have gone into the
   * socket. Input: all content must have been read. -EAGAIN: the input does not end with a record,
   * or not all of it is read; any other error is final. -EOPNOTSUPP: not this cipher or version.
   * When both directions are there the connection can be freed.
   */
  tlsToKernel(owner: number, handle: number, fd: number, input: boolean): number;
  /**
   * Bytes that are missing before the input ends with a record (or before its length is known), so
   * that no more need to be received than that; 0 when it does.
   */
  tlsInputRest(owner: number, handle: number): number;
  /** 0: the kernel has kTLS. -ENOENT: it has not, or its module is not loaded. */
  ktlsProbe(): number;
  /**
   * Makes a socket that is just connected one for `tlsToKernel`. -ENOTCONN: the peer's FIN is here
   * already. -ENOENT: the kernel has no kTLS.
   */
  ktlsAttach(fd: number): number;
  /**
   * Reads the record that made a receive fail with -EIO, which is not content. Returns its type
   * (TLS ContentType) << 16, first byte << 8, second byte.
   */
  ktlsReadControl(fd: number): number;
  /** Why the last call of this thread failed, in OpenSSL's words; "" when it does not say. */
  tlsError(): string;
}

export interface TlsFacts {
  /** "TLSv1.2" or "TLSv1.3". */
  readonly version: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher: string;
  /** The name the client asked for, "" when for none. */
  readonly serverName: string;
  readonly resumed: boolean;
}

/** Loads the addon from an absolute path. Throws Node's own error when the file does not load. */
export function loadAddon(path: string): Addon {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports as Addon;
}
