// The surface of runtime/native.ts: the only unit that knows Node-API. It checks every argument,
// then calls the plain C unit that does the work. A wrong argument throws a TypeError; everything
// that can fail at run time returns -errno. It has no state: all threads share that of the units.
//
// Long because Node-API appears in this file alone.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <node_api.h>

extern "C" {
#include "abi.generated.h"
#include "file.h"
#include "identity.h"
#include "ktls.h"
#include "memory.h"
#include "owner.h"
#include "probe.h"
#include "ring.h"
#include "socket.h"
#include "thread.h"
#include "tls-context.h"
#include "tls.h"
}

namespace {

constexpr int64_t kInt32Max = INT32_MAX;
constexpr int64_t kUint32Max = UINT32_MAX;
// Number.MAX_SAFE_INTEGER: offsets in files.
constexpr int64_t kSafeMax = (INT64_C(1) << 53) - 1;
constexpr int64_t kPortMax = 65535;
constexpr int64_t kGroupMax = 65535;
constexpr size_t kArgumentsMax = 5;
// PATH_MAX of Linux counts the NUL.
constexpr size_t kTextBytes = 4096;
constexpr int kCpusMax = 8192;

// The arguments of one call. After the first wrong one a TypeError is pending, ok() is false, and
// the values read are only good for being thrown away.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kArgumentsMax;
    // Missing arguments come as undefined.
    ok_ = napi_get_cb_info(env, info, &count, values_, nullptr, nullptr) == napi_ok;
  }

  bool ok() const { return ok_; }

  // An integer from `min` to `max`; fractions are refused.
  int64_t integer(size_t index, const char* name, int64_t min, int64_t max) {
    double value = NAN;
    if (napi_get_value_double(env_, values_[index], &value) == napi_ok &&
        value >= static_cast<double>(min) && value <= static_cast<double>(max) &&
        value == std::floor(value)) {
      return static_cast<int64_t>(value);
    }
    refuse("%s must be an integer from %lld to %lld", name, static_cast<long long>(min),
           static_cast<long long>(max));
    return min;
  }

  int descriptor(size_t index, const char* name) {
    return static_cast<int>(integer(index, name, 0, kInt32Max));
  }

  int owner(size_t index) { return static_cast<int>(integer(index, "owner", 0, ZP_OWNER_MAX)); }

  int handle(size_t index) {
    return static_cast<int>(integer(index, "handle", 0, ZP_RING_COUNT_MAX - 1));
  }

  int context(size_t index) {
    return static_cast<int>(integer(index, "context", 0, ZP_TLS_CONTEXT_COUNT_MAX - 1));
  }

  unsigned powerOfTwo(size_t index, const char* name, int64_t max) {
    auto value = static_cast<uint64_t>(integer(index, name, 1, max));
    if ((value & (value - 1)) != 0) refuse("%s must be a power of two", name);
    return static_cast<unsigned>(value);
  }

  bool boolean(size_t index, const char* name) {
    bool value = false;
    if (napi_get_value_bool(env_, values_[index], &value) != napi_ok) {
      refuse("%s must be a boolean", name);
    }
    return value;
  }

  // Copies a string as UTF-8 with a NUL at its end, of which it must not hold another.
  void text(size_t index, const char* name, char (&copy)[kTextBytes]) {
    size_t length = 0;
    copy[0] = 0;
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
      refuse("%s must be a string", name);
    } else if (length >= kTextBytes) {
      refuse("%s must be shorter than %zu bytes", name, kTextBytes);
    } else if (napi_get_value_string_utf8(env_, values_[index], copy, kTextBytes, &length) !=
                   napi_ok ||
               std::strlen(copy) != length) {
      refuse("%s must not hold a NUL character", name);
    }
  }

  // The elements of a typed array from the index in the next argument on: at least `needed` of
  // them, `*left` in all.
  template <typename Element>
  Element* elements(size_t index, const char* name, napi_typedarray_type type,
                    const char* type_name, size_t needed, size_t* left = nullptr) {
    bool is_array = false;
    napi_typedarray_type actual = napi_int8_array;
    size_t length = 0;
    void* data = nullptr;
    if (napi_is_typedarray(env_, values_[index], &is_array) != napi_ok || !is_array ||
        napi_get_typedarray_info(env_, values_[index], &actual, &length, &data, nullptr,
                                 nullptr) != napi_ok ||
        actual != type) {
      refuse("%s must be a %s", name, type_name);
      return nullptr;
    }
    auto offset = static_cast<uint64_t>(integer(index + 1, "offset", 0, kSafeMax));
    if (!ok_) return nullptr;
    if (offset > length || length - offset < needed) {
      refuse("%s has %zu elements: too few for %zu at the offset", name, length, needed);
      return nullptr;
    }
    if (left != nullptr) *left = length - offset;
    return static_cast<Element*>(data) + offset;
  }

  uint8_t* bytes(size_t index, size_t needed, size_t* left = nullptr) {
    return elements<uint8_t>(index, "memory", napi_uint8_array, "Uint8Array", needed, left);
  }

  template <typename... Values>
  void refuse(const char* format, Values... values) {
    if (!ok_) return;
    ok_ = false;
    char message[160];
    std::snprintf(message, sizeof message, format, values...);
    napi_throw_type_error(env_, "ERR_INVALID_ARG_VALUE", message);
  }

 private:
  napi_env env_;
  bool ok_;
  napi_value values_[kArgumentsMax];
};

napi_value integerOf(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

// Builds an object field by field. ok() is false when Node-API refused one (no memory left).
class Object {
 public:
  explicit Object(napi_env env) : env_(env) {
    ok_ = napi_create_object(env, &value_) == napi_ok;
  }

  void set(const char* name, napi_value value) {
    ok_ = ok_ && value != nullptr &&
          napi_set_named_property(env_, value_, name, value) == napi_ok;
  }

  void setInteger(const char* name, int64_t value) { set(name, integerOf(env_, value)); }

  void setBoolean(const char* name, bool value) {
    napi_value result = nullptr;
    ok_ = ok_ && napi_get_boolean(env_, value, &result) == napi_ok;
    set(name, result);
  }

  void setText(const char* name, const char* text) {
    napi_value result = nullptr;
    ok_ = ok_ && napi_create_string_utf8(env_, text, NAPI_AUTO_LENGTH, &result) == napi_ok;
    set(name, result);
  }

  bool ok() const { return ok_; }
  napi_value value() const { return value_; }

 private:
  napi_env env_;
  bool ok_;
  napi_value value_ = nullptr;
};

// An ArrayBuffer over memory that native code keeps until its owner is released. It has no
// finalizer: when a worker's isolate dies, the kernel may still be writing there.
napi_value bufferOver(napi_env env, void* memory, size_t bytes) {
  napi_value result = nullptr;
  napi_create_external_arraybuffer(env, memory, bytes, nullptr, nullptr, &result);
  return result;
}

napi_value arrayOver(napi_env env, napi_typedarray_type type, size_t length, void* memory,
                     size_t bytes) {
  napi_value buffer = bufferOver(env, memory, bytes);
  napi_value result = nullptr;
  if (buffer != nullptr) napi_create_typedarray(env, type, length, buffer, 0, &result);
  return result;
}

napi_value outOfMemory(napi_env env) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, "ENOMEM", "Node could not make the object");
  return nullptr;
}

// A Mapping of runtime/native.ts.
napi_value mappingOf(napi_env env, void* address, size_t bytes, int pages) {
  auto number = reinterpret_cast<uintptr_t>(address);
  Object mapping(env);
  mapping.set("buffer", bufferOver(env, address, bytes));
  mapping.setInteger("addressLow", static_cast<int64_t>(number & kUint32Max));
  mapping.setInteger("addressHigh", static_cast<int64_t>(number >> 32));
  mapping.setInteger("pages", pages);
  return mapping.ok() ? mapping.value() : nullptr;
}

// ── Ring ───────────────────────────────────────────────────────────────────────────────────────

napi_value Probe(napi_env env, napi_callback_info) {
  struct zp_probe found;
  int rc = zp_probe_kernel(&found);
  Object probe(env);
  probe.setBoolean("ioUring", rc >= 0);
  probe.setText("cause", found.cause);
  probe.setText("remedy", found.remedy);
  return probe.ok() ? probe.value() : outOfMemory(env);
}

// A copy: the offsets of a ring never change.
napi_value offsetsOf(napi_env env, const struct zp_ring_memory* memory) {
  napi_value buffer = nullptr;
  napi_value result = nullptr;
  void* data = nullptr;
  if (napi_create_arraybuffer(env, sizeof memory->offsets, &data, &buffer) != napi_ok) {
    return nullptr;
  }
  std::memcpy(data, memory->offsets, sizeof memory->offsets);
  napi_create_typedarray(env, napi_uint32_array, ZP_RING_OFFSET_COUNT, buffer, 0, &result);
  return result;
}

napi_value RingOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  unsigned sq_entries = arguments.powerOfTwo(1, "sqEntries", ZP_SQ_ENTRIES_MAX);
  unsigned cq_entries = arguments.powerOfTwo(2, "cqEntries", ZP_CQ_ENTRIES_MAX);
  if (cq_entries < sq_entries) arguments.refuse("cqEntries must be at least sqEntries");
  int engine = arguments.integer(3, "engine", ZP_ENGINE_IO_URING, ZP_ENGINE_EPOLL);
  if (!arguments.ok()) return nullptr;

  int handle = zp_ring_open(owner, sq_entries, cq_entries, engine);
  if (handle < 0) return integerOf(env, handle);
  const struct zp_ring_memory* memory = zp_ring_memory(handle);
  Object ring(env);
  ring.setInteger("handle", handle);
  ring.set("rings", bufferOver(env, memory->rings, memory->rings_bytes));
  ring.set("sqes", bufferOver(env, memory->sqes, memory->sqes_bytes));
  ring.set("offsets", offsetsOf(env, memory));
  ring.setInteger("sqEntries", memory->sq_entries);
  ring.setInteger("cqEntries", memory->cq_entries);
  ring.setInteger("features", memory->features);
  if (ring.ok()) return ring.value();
  zp_ring_close(handle);
  return outOfMemory(env);
}

napi_value RingBuffers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.handle(0);
  auto group = static_cast<unsigned>(arguments.integer(1, "group", 0, kGroupMax));
  unsigned entries = arguments.powerOfTwo(2, "entries", ZP_BUF_RING_ENTRIES_MAX);
  if (!arguments.ok()) return nullptr;

  void* address = nullptr;
  int rc = zp_ring_buffers(handle, group, entries, &address);
  if (rc < 0) return integerOf(env, rc);
  size_t bytes = static_cast<size_t>(entries) * ZP_BUF_WORDS * sizeof(uint32_t);
  napi_value mapping = mappingOf(env, address, bytes, ZP_PAGES_ORDINARY);
  return mapping != nullptr ? mapping : outOfMemory(env);
}

napi_value RingFixedFiles(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.handle(0);
  auto count = static_cast<unsigned>(arguments.integer(1, "count", 1, kInt32Max));
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_ring_fixed_files(handle, count));
}

napi_value RingEnter(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.handle(0);
  auto to_submit = static_cast<unsigned>(arguments.integer(1, "toSubmit", 0, ZP_SQ_ENTRIES_MAX));
  auto complete = static_cast<unsigned>(arguments.integer(2, "minComplete", 0, ZP_CQ_ENTRIES_MAX));
  auto timeout_ms = static_cast<unsigned>(arguments.integer(3, "timeoutMs", 0, kInt32Max));
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_ring_enter(handle, to_submit, complete, timeout_ms));
}

napi_value RingClock(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.handle(0);
  if (!arguments.ok()) return nullptr;
  uint32_t* words = zp_ring_clock(handle);
  if (words == nullptr) {
    arguments.refuse("handle %d is not an open ring", handle);
    return nullptr;
  }
  napi_value clock = arrayOver(env, napi_uint32_array, ZP_CLOCK_WORDS, words,
                               ZP_CLOCK_WORDS * sizeof *words);
  return clock != nullptr ? clock : outOfMemory(env);
}

napi_value RingClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.handle(0);
  return arguments.ok() ? integerOf(env, zp_ring_close(handle)) : nullptr;
}

// ── Memory and owners ──────────────────────────────────────────────────────────────────────────

napi_value Map(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  auto bytes = static_cast<size_t>(arguments.integer(1, "bytes", 1, ZP_MAP_BYTES_MAX));
  bool huge = arguments.boolean(2, "hugePages");
  if (!arguments.ok()) return nullptr;

  void* address = nullptr;
  int pages = zp_memory_map(owner, bytes, huge, &address);
  if (pages < 0) return integerOf(env, pages);
  napi_value mapping = mappingOf(env, address, bytes, pages);
  return mapping != nullptr ? mapping : outOfMemory(env);
}

napi_value Owners(napi_env env, napi_callback_info) {
  napi_value table =
      arrayOver(env, napi_uint8_array, sizeof zp_owners, zp_owners, sizeof zp_owners);
  return table != nullptr ? table : outOfMemory(env);
}

napi_value ReleaseOwner(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  return arguments.ok() ? integerOf(env, zp_owner_release(owner)) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_owner_close(fd)) : nullptr;
}

// ── Users and groups ───────────────────────────────────────────────────────────────────────────

napi_value lookUp(napi_env env, napi_callback_info info, int64_t (*by)(const char*)) {
  char name[kTextBytes];
  Arguments arguments(env, info);
  arguments.text(0, "name", name);
  return arguments.ok() ? integerOf(env, by(name)) : nullptr;
}

napi_value UserId(napi_env env, napi_callback_info info) {
  return lookUp(env, info, zp_identity_user);
}

napi_value UserGroupId(napi_env env, napi_callback_info info) {
  return lookUp(env, info, zp_identity_user_group);
}

napi_value GroupId(napi_env env, napi_callback_info info) {
  return lookUp(env, info, zp_identity_group);
}

// ── Sockets ────────────────────────────────────────────────────────────────────────────────────

napi_value Listen(napi_env env, napi_callback_info info) {
  char address[kTextBytes];
  Arguments arguments(env, info);
  arguments.text(0, "address", address);
  auto port = static_cast<int>(arguments.integer(1, "port", 0, kPortMax));
  auto backlog = static_cast<int>(arguments.integer(2, "backlog", 1, kInt32Max));
  return arguments.ok() ? integerOf(env, zp_socket_listen(address, port, backlog)) : nullptr;
}

napi_value AttachFilter(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  auto count = static_cast<unsigned>(arguments.integer(3, "count", 1, ZP_FILTER_COUNT_MAX));
  uint8_t* filter = arguments.bytes(1, static_cast<size_t>(count) * ZP_FILTER_BYTES);
  return arguments.ok() ? integerOf(env, zp_socket_attach_filter(fd, filter, count)) : nullptr;
}

napi_value Adopt(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  uint8_t* memory = arguments.bytes(1, ZP_SOCKADDR_BYTES_MAX);
  return arguments.ok() ? integerOf(env, zp_socket_adopt(fd, memory)) : nullptr;
}

napi_value Notify(napi_env env, napi_callback_info info) {
  char address[kTextBytes];
  char text[kTextBytes];
  Arguments arguments(env, info);
  arguments.text(0, "address", address);
  arguments.text(1, "text", text);
  return arguments.ok() ? integerOf(env, zp_socket_notify(address, text)) : nullptr;
}

napi_value LocalPort(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_socket_port(fd)) : nullptr;
}

napi_value ShutdownWrite(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_socket_shutdown_write(fd)) : nullptr;
}

napi_value Socket(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  bool ipv6 = arguments.boolean(1, "ipv6");
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_owner_set(zp_socket_open(ipv6), owner));
}

napi_value WriteSockaddr(napi_env env, napi_callback_info info) {
  char address[kTextBytes];
  Arguments arguments(env, info);
  uint8_t* memory = arguments.bytes(0, ZP_SOCKADDR_BYTES_MAX);
  arguments.text(2, "address", address);
  auto port = static_cast<int>(arguments.integer(3, "port", 0, kPortMax));
  return arguments.ok() ? integerOf(env, zp_socket_write_address(memory, address, port)) : nullptr;
}

napi_value PeerAddress(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  uint8_t* memory = arguments.bytes(1, ZP_ADDRESS_TEXT_BYTES_MAX);
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_socket_peer(fd, reinterpret_cast<char*>(memory)));
}

// ── Files ──────────────────────────────────────────────────────────────────────────────────────

napi_value OpenRoot(napi_env env, napi_callback_info info) {
  char path[kTextBytes];
  Arguments arguments(env, info);
  arguments.text(0, "path", path);
  return arguments.ok() ? integerOf(env, zp_file_open_root(path)) : nullptr;
}

napi_value OpenBeneath(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int root_fd = arguments.descriptor(1, "rootFd");
  size_t left = 0;
  uint8_t* path = arguments.bytes(2, 1, &left);
  if (arguments.ok() && std::memchr(path, 0, left) == nullptr) {
    arguments.refuse("the path in memory must end with a NUL byte");
  }
  if (!arguments.ok()) return nullptr;
  int fd = zp_file_open_beneath(root_fd, reinterpret_cast<const char*>(path));
  return integerOf(env, zp_owner_set(fd, owner));
}

napi_value FileStatus(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  auto* words = arguments.elements<double>(1, "words", napi_float64_array, "Float64Array",
                                           ZP_FILE_STATUS_WORDS);
  return arguments.ok() ? integerOf(env, zp_file_status(fd, words)) : nullptr;
}

napi_value Sendfile(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int socket_fd = arguments.descriptor(0, "socketFd");
  int file_fd = arguments.descriptor(1, "fileFd");
  int64_t offset = arguments.integer(2, "offset", 0, kSafeMax);
  auto count = static_cast<uint32_t>(arguments.integer(3, "count", 0, kInt32Max));
  return arguments.ok() ? integerOf(env, zp_file_send(socket_fd, file_fd, offset, count)) : nullptr;
}

// ── Threads ────────────────────────────────────────────────────────────────────────────────────

napi_value Eventfd(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  return arguments.ok() ? integerOf(env, zp_owner_set(zp_thread_eventfd(), owner)) : nullptr;
}

napi_value EventfdSignal(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_thread_signal(fd)) : nullptr;
}

napi_value AllowedCpus(napi_env env, napi_callback_info) {
  int cpus[kCpusMax];
  int count = zp_thread_cpus(cpus, kCpusMax);
  napi_value list = nullptr;
  if (count < 0) count = 0;
  if (napi_create_array_with_length(env, static_cast<size_t>(count), &list) != napi_ok) {
    return outOfMemory(env);
  }
  for (int i = 0; i < count; i++) {
    napi_set_element(env, list, static_cast<uint32_t>(i), integerOf(env, cpus[i]));
  }
  return list;
}

napi_value PinThread(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto cpu = static_cast<int>(arguments.integer(0, "cpu", 0, kCpusMax - 1));
  return arguments.ok() ? integerOf(env, zp_thread_pin(cpu)) : nullptr;
}

napi_value RaiseFileLimit(napi_env env, napi_callback_info) {
  return integerOf(env, zp_thread_raise_file_limit());
}

napi_value OpenFileCount(napi_env env, napi_callback_info) {
  return integerOf(env, zp_thread_open_files());
}

napi_value ExitNow(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto status = static_cast<int>(arguments.integer(0, "status", 0, 255));
  if (arguments.ok()) zp_thread_exit(status);
  return nullptr;
}

// ── TLS ────────────────────────────────────────────────────────────────────────────────────────

napi_value TlsContext(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  bool server = arguments.boolean(0, "server");
  bool tls13_only = arguments.boolean(1, "tls13Only");
  return arguments.ok() ? integerOf(env, zp_tls_context_new(server, tls13_only)) : nullptr;
}

napi_value TlsCertificate(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  size_t chain_bytes = 0;
  size_t key_bytes = 0;
  const uint8_t* chain = arguments.bytes(1, 0, &chain_bytes);
  const uint8_t* key = arguments.bytes(3, 0, &key_bytes);
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_tls_context_certificate(handle, chain, chain_bytes, key, key_bytes));
}

napi_value TlsName(napi_env env, napi_callback_info info) {
  char name[kTextBytes];
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  arguments.text(1, "name", name);
  int other = arguments.context(2);
  return arguments.ok() ? integerOf(env, zp_tls_context_name(handle, name, other)) : nullptr;
}

napi_value TlsTicketKeys(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  const uint8_t* keys = arguments.bytes(1, ZP_TLS_TICKET_KEY_BYTES);
  return arguments.ok() ? integerOf(env, zp_tls_context_tickets(handle, keys)) : nullptr;
}

napi_value TlsRoots(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  size_t bytes = 0;
  const uint8_t* pem = arguments.bytes(1, 0, &bytes);
  return arguments.ok() ? integerOf(env, zp_tls_context_roots(handle, pem, bytes)) : nullptr;
}

napi_value TlsContextFree(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  return arguments.ok() ? integerOf(env, zp_tls_context_free(handle)) : nullptr;
}

napi_value TlsAccept(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int context = arguments.context(1);
  return arguments.ok() ? integerOf(env, zp_tls_accept(owner, context)) : nullptr;
}

napi_value TlsPeer(napi_env env, napi_callback_info info) {
  char host[kTextBytes];
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int context = arguments.context(1);
  arguments.text(2, "host", host);
  return arguments.ok() ? integerOf(env, zp_tls_peer(owner, context, host)) : nullptr;
}

napi_value TlsConnect(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  auto peer = static_cast<int>(arguments.integer(1, "peer", 0, kInt32Max));
  return arguments.ok() ? integerOf(env, zp_tls_connect(owner, peer)) : nullptr;
}

napi_value TlsStep(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  size_t left = 0;
  uint8_t* memory = arguments.bytes(1, 0, &left);
  auto* words = arguments.elements<uint32_t>(3, "words", napi_uint32_array, "Uint32Array",
                                             ZP_TLS_WORDS);
  if (!arguments.ok()) return nullptr;
  constexpr int kRanges[] = {ZP_TLS_WORD_INPUT, ZP_TLS_WORD_OUTPUT, ZP_TLS_WORD_PLAIN};
  for (int at : kRanges) {
    if (words[at] > left || left - words[at] < words[at + 1]) {
      arguments.refuse("words name bytes outside of memory");
      return nullptr;
    }
  }
  return integerOf(env, zp_tls_step(owner, memory, words));
}

napi_value TlsFacts(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  auto handle = static_cast<int>(arguments.integer(1, "handle", 0, kInt32Max));
  if (!arguments.ok()) return nullptr;
  struct zp_tls_facts facts;
  int rc = zp_tls_facts(owner, handle, &facts);
  if (rc < 0) return integerOf(env, rc);
  Object result(env);
  result.setText("version", facts.version);
  result.setText("cipher", facts.cipher);
  result.setText("serverName", facts.server_name);
  result.setBoolean("resumed", facts.resumed != 0);
  return result.ok() ? result.value() : outOfMemory(env);
}

napi_value TlsFree(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  auto handle = static_cast<int>(arguments.integer(1, "handle", 0, kInt32Max));
  return arguments.ok() ? integerOf(env, zp_tls_free(owner, handle)) : nullptr;
}

napi_value TlsContextKernel(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  return arguments.ok() ? integerOf(env, zp_tls_context_kernel(handle)) : nullptr;
}

napi_value TlsToKernel(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  auto handle = static_cast<int>(arguments.integer(1, "handle", 0, kInt32Max));
  int fd = arguments.descriptor(2, "fd");
  bool input = arguments.boolean(3, "input");
  return arguments.ok() ? integerOf(env, zp_tls_to_kernel(owner, handle, fd, input)) : nullptr;
}

napi_value TlsInputRest(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  auto handle = static_cast<int>(arguments.integer(1, "handle", 0, kInt32Max));
  return arguments.ok() ? integerOf(env, zp_tls_input_rest(owner, handle)) : nullptr;
}

napi_value KtlsProbe(napi_env env, napi_callback_info) {
  return integerOf(env, zp_ktls_probe());
}

napi_value KtlsAttach(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_ktls_attach(fd)) : nullptr;
}

napi_value KtlsReadControl(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_ktls_read_control(fd)) : nullptr;
}

napi_value TlsError(napi_env env, napi_callback_info) {
  napi_value text = nullptr;
  if (napi_create_string_utf8(env, zp_tls_error(), NAPI_AUTO_LENGTH, &text) == napi_ok) return text;
  return outOfMemory(env);
}

struct Function {
  const char* name;
  napi_callback call;
};

constexpr Function kFunctions[] = {
    {"probe", Probe},
    {"ringOpen", RingOpen},
    {"ringBuffers", RingBuffers},
    {"ringFixedFiles", RingFixedFiles},
    {"ringEnter", RingEnter},
    {"ringClock", RingClock},
    {"ringClose", RingClose},
    {"map", Map},
    {"owners", Owners},
    {"releaseOwner", ReleaseOwner},
    {"close", Close},
    {"userId", UserId},
    {"userGroupId", UserGroupId},
    {"groupId", GroupId},
    {"listen", Listen},
    {"attachFilter", AttachFilter},
    {"adopt", Adopt},
    {"notify", Notify},
    {"localPort", LocalPort},
    {"socket", Socket},
    {"shutdownWrite", ShutdownWrite},
    {"writeSockaddr", WriteSockaddr},
    {"peerAddress", PeerAddress},
    {"openRoot", OpenRoot},
    {"openBeneath", OpenBeneath},
    {"fileStatus", FileStatus},
    {"sendfile", Sendfile},
    {"eventfd", Eventfd},
    {"eventfdSignal", EventfdSignal},
    {"allowedCpus", AllowedCpus},
    {"pinThread", PinThread},
    {"raiseFileLimit", RaiseFileLimit},
    {"openFileCount", OpenFileCount},
    {"exitNow", ExitNow},
    {"tlsContext", TlsContext},
    {"tlsCertificate", TlsCertificate},
    {"tlsName", TlsName},
    {"tlsTicketKeys", TlsTicketKeys},
    {"tlsRoots", TlsRoots},
    {"tlsContextFree", TlsContextFree},
    {"tlsAccept", TlsAccept},
    {"tlsPeer", TlsPeer},
    {"tlsConnect", TlsConnect},
    {"tlsStep", TlsStep},
    {"tlsFacts", TlsFacts},
    {"tlsFree", TlsFree},
    {"tlsError", TlsError},
    {"tlsContextKernel", TlsContextKernel},
    {"tlsToKernel", TlsToKernel},
    {"tlsInputRest", TlsInputRest},
    {"ktlsProbe", KtlsProbe},
    {"ktlsAttach", KtlsAttach},
    {"ktlsReadControl", KtlsReadControl},
};

void QuiesceThread(void*) { zp_ring_quiesce_thread(); }

}  // namespace

// Context-aware: runs once for each thread that loads the addon.
NAPI_MODULE_INIT() {
  napi_set_named_property(env, exports, "abiVersion", integerOf(env, ZP_ABI_VERSION));
  for (const Function& function : kFunctions) {
    napi_value value = nullptr;
    if (napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call, nullptr,
                             &value) != napi_ok) {
      return outOfMemory(env);
    }
    napi_set_named_property(env, exports, function.name, value);
  }
  // Runs in the thread that ends, however it ends. Node aborts when a hook is added twice.
  static thread_local bool hooked = false;
  if (!hooked) napi_add_env_cleanup_hook(env, QuiesceThread, nullptr);
  hooked = true;
  return exports;
}
