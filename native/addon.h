// What the units addon-*.cc share: the arguments of a call, and the values that it returns.
//
// Together with addon.cc they are the surface of runtime/native.ts, and all that knows Node-API.
// They check every argument, then call the plain C unit that does the work. A wrong argument throws
// a TypeError; everything that can fail at run time returns -errno. They have no state: all threads
// share that of the C units.
#ifndef ZP_ADDON_H
#define ZP_ADDON_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include <node_api.h>

extern "C" {
#include "abi.generated.h"
}

constexpr int64_t kInt32Max = INT32_MAX;
constexpr int64_t kUint32Max = UINT32_MAX;
// Number.MAX_SAFE_INTEGER: offsets in files.
constexpr int64_t kSafeMax = (INT64_C(1) << 53) - 1;
constexpr size_t kArgumentsMax = 5;
// PATH_MAX of Linux counts the NUL.
constexpr size_t kTextBytes = 4096;

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

  int connection(size_t index, const char* name) {
    return static_cast<int>(integer(index, name, 0, kInt32Max));
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

inline napi_value integerOf(napi_env env, int64_t value) {
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
inline napi_value bufferOver(napi_env env, void* memory, size_t bytes) {
  napi_value result = nullptr;
  napi_create_external_arraybuffer(env, memory, bytes, nullptr, nullptr, &result);
  return result;
}

inline napi_value arrayOver(napi_env env, napi_typedarray_type type, size_t length,
                            void* memory, size_t bytes) {
  napi_value buffer = bufferOver(env, memory, bytes);
  napi_value result = nullptr;
  if (buffer != nullptr) napi_create_typedarray(env, type, length, buffer, 0, &result);
  return result;
}

inline napi_value outOfMemory(napi_env env) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, "ENOMEM", "Node could not make the object");
  return nullptr;
}

// A Mapping of runtime/native.ts.
inline napi_value mappingOf(napi_env env, void* address, size_t bytes, int pages) {
  auto number = reinterpret_cast<uintptr_t>(address);
  Object mapping(env);
  mapping.set("buffer", bufferOver(env, address, bytes));
  mapping.setInteger("addressLow", static_cast<int64_t>(number & kUint32Max));
  mapping.setInteger("addressHigh", static_cast<int64_t>(number >> 32));
  mapping.setInteger("pages", pages);
  return mapping.ok() ? mapping.value() : nullptr;
}

// A function of the addon, and the functions that one unit brings.
struct Function {
  const char* name;
  napi_callback call;
};

struct Functions {
  const Function* first;
  size_t count;
};

template <size_t Count>
constexpr Functions listOf(const Function (&list)[Count]) {
  return {list, Count};
}

extern const Functions kRingFunctions;
extern const Functions kSystemFunctions;
extern const Functions kTlsFunctions;

#endif
