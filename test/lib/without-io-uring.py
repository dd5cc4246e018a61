# Runs a command to which io_uring_setup(2) is forbidden, as a container's seccomp profile does it:
#   python3 without-io-uring.py COMMAND [ARGUMENT ...]

import ctypes
import errno
import os
import struct
import sys

IO_URING_SETUP = 425  # on every architecture
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000

# struct sock_filter: load the call's number; is it ours? refuse : allow.
program = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in [
        (0x20, 0, 0, 0),  # BPF_LD | BPF_W | BPF_ABS
        (0x15, 0, 1, IO_URING_SETUP),  # BPF_JMP | BPF_JEQ | BPF_K
        (0x06, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),  # BPF_RET | BPF_K
        (0x06, 0, 0, SECCOMP_RET_ALLOW),
    ]
)
memory = ctypes.create_string_buffer(program, len(program))
sock_fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
libc = ctypes.CDLL(None, use_errno=True)
for option in [
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(sock_fprog), 0, 0),
]:
    if libc.prctl(*option) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
