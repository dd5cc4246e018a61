# Runs a command to which io_uring_setup(2) is forbidden, as a container's seccomp profile does it:
#   python3 without-io-uring.py [--errno=NAME] [--register=OPCODE] COMMAND [ARGUMENT ...]
# --errno is what it fails with instead of EPERM; --register has io_uring_register(2) with this
# opcode fail, and nothing else.

import ctypes
import errno
import os
import struct
import sys

IO_URING_SETUP = 425  # on every architecture
IO_URING_REGISTER = 427
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000

SECOND_ARGUMENT = 24  # of struct seccomp_data, its low half

command = sys.argv[1:]
options = {}
while command[0].startswith("--"):
    name, value = command.pop(0)[2:].split("=")
    options[name] = value
error = getattr(errno, options.get("errno", "EPERM"))
opcode = options.get("register")

# struct sock_filter: load the call's number; is it ours? And its opcode? refuse : allow.
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
instructions = [(LOAD, 0, 0, 0)]
if opcode is None:
    instructions += [(IF_EQUAL, 0, 1, IO_URING_SETUP)]
else:
    instructions += [
        (IF_EQUAL, 0, 3, IO_URING_REGISTER),
        (LOAD, 0, 0, SECOND_ARGUMENT),
        (IF_EQUAL, 0, 1, int(opcode)),
    ]
instructions += [(RETURN, 0, 0, SECCOMP_RET_ERRNO | error), (RETURN, 0, 0, SECCOMP_RET_ALLOW)]
program = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
memory = ctypes.create_string_buffer(program, len(program))
sock_fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
libc = ctypes.CDLL(None, use_errno=True)
for option in [
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(sock_fprog), 0, 0),
]:
    if libc.prctl(*option) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(command[0], command)
