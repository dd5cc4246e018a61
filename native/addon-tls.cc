// Calls about TLS connections, in user space and in the kernel.
#include <cstdint>

#include "addon.h"

extern "C" {
#include "ktls.h"
#include "tls-context.h"
#include "tls-tickets.h"
#include "tls.h"
}

namespace {

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

napi_value TlsCertificateOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  int other = arguments.context(1);
  if (!arguments.ok()) return nullptr;
  return integerOf(env, zp_tls_context_certificate_of(handle, other));
}

napi_value TlsName(napi_env env, napi_callback_info info) {
  char name[kTextBytes];
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  arguments.text(1, "name", name);
  int other = arguments.context(2);
  return arguments.ok() ? integerOf(env, zp_tls_context_name(handle, name, other)) : nullptr;
}

napi_value TlsChangeTicketKeys(napi_env env, napi_callback_info) {
  return integerOf(env, zp_tls_tickets_change());
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
  int peer = arguments.connection(1, "peer");
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
  int handle = arguments.connection(1, "handle");
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
  int handle = arguments.connection(1, "handle");
  return arguments.ok() ? integerOf(env, zp_tls_free(owner, handle)) : nullptr;
}

napi_value TlsCount(napi_env env, napi_callback_info) {
  return integerOf(env, zp_tls_count());
}

napi_value TlsContextKernel(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int handle = arguments.context(0);
  return arguments.ok() ? integerOf(env, zp_tls_context_kernel(handle)) : nullptr;
}

napi_value TlsToKernel(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int handle = arguments.connection(1, "handle");
  int fd = arguments.descriptor(2, "fd");
  bool input = arguments.boolean(3, "input");
  return arguments.ok() ? integerOf(env, zp_tls_to_kernel(owner, handle, fd, input)) : nullptr;
}

napi_value TlsInputRest(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int owner = arguments.owner(0);
  int handle = arguments.connection(1, "handle");
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

constexpr Function kFunctions[] = {
    {"tlsContext", TlsContext},
    {"tlsCertificate", TlsCertificate},
    {"tlsCertificateOf", TlsCertificateOf},
    {"tlsName", TlsName},
    {"tlsChangeTicketKeys", TlsChangeTicketKeys},
    {"tlsRoots", TlsRoots},
    {"tlsContextFree", TlsContextFree},
    {"tlsAccept", TlsAccept},
    {"tlsPeer", TlsPeer},
    {"tlsConnect", TlsConnect},
    {"tlsStep", TlsStep},
    {"tlsFacts", TlsFacts},
    {"tlsFree", TlsFree},
    {"tlsCount", TlsCount},
    {"tlsError", TlsError},
    {"tlsContextKernel", TlsContextKernel},
    {"tlsToKernel", TlsToKernel},
    {"tlsInputRest", TlsInputRest},
    {"ktlsProbe", KtlsProbe},
    {"ktlsAttach", KtlsAttach},
    {"ktlsReadControl", KtlsReadControl},
};

}  // namespace

const Functions kTlsFunctions = listOf(kFunctions);
