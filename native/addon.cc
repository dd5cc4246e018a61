// Makes the module: the functions of all units, for each thread that loads the addon.
#include "addon.h"

extern "C" {
#include "ring.h"
}

namespace {

void QuiesceThread(void*) { zp_ring_quiesce_thread(); }

bool add(napi_env env, napi_value exports, const Functions& functions) {
  for (size_t i = 0; i < functions.count; i++) {
    const Function& function = functions.first[i];
    napi_value value = nullptr;
    if (napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call, nullptr,
                             &value) != napi_ok) {
      return false;
    }
    napi_set_named_property(env, exports, function.name, value);
  }
  return true;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_set_named_property(env, exports, "abiVersion", integerOf(env, ZP_ABI_VERSION));
  for (const Functions& functions : {kRingFunctions, kSystemFunctions, kTlsFunctions}) {
    if (!add(env, exports, functions)) return outOfMemory(env);
  }
  // Runs in the thread that ends, however it ends. Node aborts when a hook is added twice.
  static thread_local bool hooked = false;
  if (!hooked) napi_add_env_cleanup_hook(env, QuiesceThread, nullptr);
  hooked = true;
  return exports;
}
