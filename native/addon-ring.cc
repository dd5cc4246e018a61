// Calls about rings, memory and owners.
#include <cstdint>
#include <cstring>

#include "addon.h"

extern "C" {
#include "memory.h"
#include "owner.h"
#include "probe.h"
#include "ring.h"
#include "tls.h"
}

namespace {

constexpr int64_t kGroupMax = 65535;

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

napi_value LetGo(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int fd = arguments.descriptor(1, "fd");
  auto tls = static_cast<int>(arguments.integer(2, "tls", -1, kInt32Max));
  if (!arguments.ok()) return nullptr;
  zp_ring_leave(owner, fd);
  return integerOf(env, tls < 0 ? 0 : zp_tls_leave(owner, tls, fd));
}

napi_value TakeUp(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int fd = arguments.descriptor(1, "fd");
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_tls_take_up(owner, zp_owner_set(fd, owner)));
}

napi_value Close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int fd = arguments.descriptor(0, "fd");
  return arguments.ok() ? integerOf(env, zp_owner_close(fd)) : nullptr;
}

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
    {"letGo", LetGo},
    {"takeUp", TakeUp},
    {"close", Close},
};

}  // namespace

const Functions kRingFunctions = listOf(kFunctions);
