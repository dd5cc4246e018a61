{
  "targets": [
    {
      "target_name": "zproxy",
      "sources": [
        "abi.c",
        "addon-ring.cc",
        "addon-system.cc",
        "addon-tls.cc",
        "addon.cc",
        "epoll.c",
        "file.c",
        "identity.c",
        "ktls.c",
        "memory.c",
        "owner.c",
        "probe.c",
        "ring.c",
        "socket.c",
        "thread.c",
        "tls-context.c",
        "tls-secrets.c",
        "tls-tickets.c",
        "tls.c"
      ],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags_c": ["-std=gnu11"],
      # The owner table and the mappings outlive every thread that loaded the addon, so it stays
      # loaded when the last worker that used it has ended.
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
