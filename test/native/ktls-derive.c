// Shows zp_ktls_derive to its test, and nothing else of the addon: no code that ships can be asked
// for keys. Built by ktls-derive.test.ts and loaded into Node, whose OpenSSL it uses.
#include <string.h>

#include <node_api.h>

#include "../../native/ktls.h"

// derive(version, cipher, digest, secret, randoms, ofClient, sequence): the kernel's struct.
static napi_value derive(napi_env env, napi_callback_info info)
{
    napi_value values[7];
    size_t count = 7;
    int32_t version = 0;
    int32_t cipher = 0;
    char digest[16] = "";
    void *secret = NULL;
    size_t secret_bytes = 0;
    void *randoms = NULL;
    bool of_client = false;
    int64_t sequence = 0;
    napi_get_cb_info(env, info, &count, values, NULL, NULL);
    napi_get_value_int32(env, values[0], &version);
    napi_get_value_int32(env, values[1], &cipher);
    napi_get_value_string_utf8(env, values[2], digest, sizeof digest, NULL);
    napi_get_typedarray_info(env, values[3], NULL, &secret_bytes, &secret, NULL, NULL);
    napi_get_typedarray_info(env, values[4], NULL, NULL, &randoms, NULL, NULL);
    napi_get_value_bool(env, values[5], &of_client);
    napi_get_value_int64(env, values[6], &sequence);

    struct zp_ktls_source source = {
        .version = version,
        .cipher = cipher,
        .digest = EVP_get_digestbyname(digest),
        .secret = secret,
        .secret_bytes = secret_bytes,
        .randoms = randoms,
        .of_client = of_client,
        .sequence = (uint64_t)sequence,
    };
    struct zp_ktls_info made;
    napi_value result = NULL;
    void *copy = NULL;
    if (zp_ktls_derive(&source, &made) == 0) {
        napi_create_buffer_copy(env, made.bytes, &made, &copy, &result);
    }
    return result;
}

NAPI_MODULE_INIT()
{
    napi_value function = NULL;
    napi_create_function(env, "derive", NAPI_AUTO_LENGTH, derive, NULL, &function);
    napi_set_named_property(env, exports, "derive", function);
    return exports;
}
