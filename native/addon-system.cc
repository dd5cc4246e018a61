// Calls about users, sockets, files and threads.
#include <cstdint>

#include "addon.h"

extern "C" {
#include "file.h"
#include "identity.h"
#include "owner.h"
#include "socket.h"
#include "thread.h"
}

namespace {

constexpr int64_t kPortMax = 65535;

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
  auto count = static_cast<unsigned>(arguments.integer(3, "count", 0, ZP_FILTER_COUNT_MAX));
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

napi_value Readable(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_socket_readable(fd)) : nullptr;
}

napi_value Unacknowledged(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_socket_unacknowledged(fd)) : nullptr;
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
  int cpus[ZP_CPU_COUNT_MAX];
  int count = zp_thread_cpus(cpus);
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
  auto cpu = static_cast<int>(arguments.integer(0, "cpu", 0, ZP_CPU_COUNT_MAX - 1));
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

constexpr Function kFunctions[] = {
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
    {"readable", Readable},
    {"unacknowledged", Unacknowledged},
    {"writeSockaddr", WriteSockaddr},
    {"peerAddress", PeerAddress},
    {"openRoot", OpenRoot},
    {"fileStatus", FileStatus},
    {"sendfile", Sendfile},
    {"eventfd", Eventfd},
    {"eventfdSignal", EventfdSignal},
    {"allowedCpus", AllowedCpus},
    {"pinThread", PinThread},
    {"raiseFileLimit", RaiseFileLimit},
    {"openFileCount", OpenFileCount},
    {"exitNow", ExitNow},
};

}  // namespace

const Functions kSystemFunctions = listOf(kFunctions);
