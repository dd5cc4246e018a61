// Prints native/abi.ts as the header that the C code includes, with a static assertion for every
// row that has a counterpart in the system's headers.

import * as abi from "./abi.ts";

const WORD_BYTES = 4;
const HALF_BYTES = 2;
const BYTE = 1;

/** A row of abi.ts that says where a field lies: its name, its unit in bytes, struct and field. */
type Layout = readonly [name: keyof typeof abi, unit: number, struct: string, field: string];

const LAYOUTS: readonly Layout[] = [
  ["SQE_HEAD", WORD_BYTES, "struct io_uring_sqe", "opcode"],
  ["SQE_FD", WORD_BYTES, "struct io_uring_sqe", "fd"],
  ["SQE_OFF_LOW", WORD_BYTES, "struct io_uring_sqe", "off"],
  ["SQE_ADDR_LOW", WORD_BYTES, "struct io_uring_sqe", "addr"],
  ["SQE_LEN", WORD_BYTES, "struct io_uring_sqe", "len"],
  ["SQE_OP_FLAGS", WORD_BYTES, "struct io_uring_sqe", "msg_flags"],
  ["SQE_USER_DATA_LOW", WORD_BYTES, "struct io_uring_sqe", "user_data"],
  ["SQE_BUFFER", WORD_BYTES, "struct io_uring_sqe", "buf_group"],
  ["CQE_USER_DATA_LOW", WORD_BYTES, "struct io_uring_cqe", "user_data"],
  ["CQE_RESULT", WORD_BYTES, "struct io_uring_cqe", "res"],
  ["CQE_FLAGS", WORD_BYTES, "struct io_uring_cqe", "flags"],
  ["BUF_ADDR_LOW", WORD_BYTES, "struct io_uring_buf", "addr"],
  ["BUF_LEN", WORD_BYTES, "struct io_uring_buf", "len"],
  ["BUF_ID_U16", HALF_BYTES, "struct io_uring_buf", "bid"],
  ["BUF_RING_TAIL_U16", HALF_BYTES, "struct io_uring_buf_ring", "tail"],
  ["FILTER_CODE", BYTE, "struct sock_filter", "code"],
  ["FILTER_IF_TRUE", BYTE, "struct sock_filter", "jt"],
  ["FILTER_IF_FALSE", BYTE, "struct sock_filter", "jf"],
  ["FILTER_OPERAND", BYTE, "struct sock_filter", "k"],
  ["MSGHDR_IOV_LOW", WORD_BYTES, "struct msghdr", "msg_iov"],
  ["MSGHDR_IOV_COUNT", WORD_BYTES, "struct msghdr", "msg_iovlen"],
  ["MSGHDR_CONTROL_LOW", WORD_BYTES, "struct msghdr", "msg_control"],
  ["MSGHDR_CONTROL_LENGTH", WORD_BYTES, "struct msghdr", "msg_controllen"],
  ["CMSGHDR_LENGTH_LOW", WORD_BYTES, "struct cmsghdr", "cmsg_len"],
  ["CMSGHDR_LEVEL", WORD_BYTES, "struct cmsghdr", "cmsg_level"],
  ["CMSGHDR_TYPE", WORD_BYTES, "struct cmsghdr", "cmsg_type"],
  ["IOVEC_BASE_LOW", WORD_BYTES, "struct iovec", "iov_base"],
  ["IOVEC_LENGTH", WORD_BYTES, "struct iovec", "iov_len"],
  ["OPEN_HOW_FLAGS", WORD_BYTES, "struct open_how", "flags"],
  ["OPEN_HOW_RESOLVE", WORD_BYTES, "struct open_how", "resolve"],
];

/** Rows with a C counterpart of another name, as the C condition that must hold. */
const CONDITIONS: Partial<Record<keyof typeof abi, string>> = {
  SQE_WORDS: `ZP_SQE_WORDS * ${WORD_BYTES} == sizeof(struct io_uring_sqe)`,
  SQE_HEAD_FLAGS_SHIFT: "ZP_SQE_HEAD_FLAGS_SHIFT == 8 * offsetof(struct io_uring_sqe, flags)",
  SQE_HEAD_IOPRIO_SHIFT: "ZP_SQE_HEAD_IOPRIO_SHIFT == 8 * offsetof(struct io_uring_sqe, ioprio)",
  CQE_WORDS: `ZP_CQE_WORDS * ${WORD_BYTES} == sizeof(struct io_uring_cqe)`,
  BUF_WORDS: `ZP_BUF_WORDS * ${WORD_BYTES} == sizeof(struct io_uring_buf)`,
  BUF_U16S: `ZP_BUF_U16S * ${HALF_BYTES} == sizeof(struct io_uring_buf)`,
  FILTER_BYTES: "ZP_FILTER_BYTES == sizeof(struct sock_filter)",
  FILTER_COUNT_MAX: "ZP_FILTER_COUNT_MAX <= BPF_MAXINSNS",
  MSGHDR_WORDS: `ZP_MSGHDR_WORDS * ${WORD_BYTES} == sizeof(struct msghdr)`,
  CMSGHDR_WORDS: `ZP_CMSGHDR_WORDS * ${WORD_BYTES} == sizeof(struct cmsghdr)`,
  TLS_SET_RECORD_TYPE: "ZP_TLS_SET_RECORD_TYPE == TLS_SET_RECORD_TYPE",
  IOVEC_WORDS: `ZP_IOVEC_WORDS * ${WORD_BYTES} == sizeof(struct iovec)`,
  OPEN_HOW_BYTES: "ZP_OPEN_HOW_BYTES == sizeof(struct open_how)",
  SOCKADDR_IN_BYTES: "ZP_SOCKADDR_IN_BYTES == sizeof(struct sockaddr_in)",
  SOCKADDR_IN6_BYTES: "ZP_SOCKADDR_IN6_BYTES == sizeof(struct sockaddr_in6)",
  SOCKADDR_BYTES_MAX: "ZP_SOCKADDR_BYTES_MAX >= sizeof(struct sockaddr_in6)",
  ADDRESS_TEXT_BYTES_MAX: "ZP_ADDRESS_TEXT_BYTES_MAX == INET6_ADDRSTRLEN",
};

/** Names that are the system's own: the assertion compares `ZP_X` with `X`. */
const SYSTEM = /^(IORING|IOSQE|MSG|AF|SOCK|SOL|O|RESOLVE)_[A-Z0-9_]+$|^POLL[A-Z]+$|^E[A-Z0-9]+$/;

/** Second halves of a u64, which follow their first half. */
const HIGH_WORD = /^(.*)_HIGH$/;

/** Names that exist between our TypeScript and our C only. */
const OURS =
  /^(ABI|RING|ENGINE|USER|CLOCK|FILE_STATUS|PAGES|TLS)_[A-Z0-9_]+$|^(OWNER|SQ|CQ|BUF_RING|MAP)_[A-Z_]*(MAX|BYTES)$/;

/** The assertion for one row, "" when C has no counterpart. Throws for a row nobody classified. */
function assertionOf(name: keyof typeof abi): string {
  const layout = LAYOUTS.find(([row]) => row === name);
  const condition = CONDITIONS[name];
  if (layout !== undefined) {
    const [, unit, struct, field] = layout;
    return assertion(`ZP_${name} * ${unit} == offsetof(${struct}, ${field})`, name);
  }
  if (condition !== undefined) return assertion(condition, name);
  if (SYSTEM.test(name)) {
    return assertion(`(long long)ZP_${name} == (long long)${name}`, name);
  }
  const low = HIGH_WORD.exec(name)?.[1];
  if (low !== undefined) return assertion(`ZP_${name} == ZP_${low}_LOW + 1`, name);
  if (OURS.test(name)) return "";
  throw new Error(`native/abi.ts: say in native/generate.ts what ${name} is checked against`);
}

function assertion(condition: string, name: string): string {
  return `_Static_assert(${condition},\n               "${name}");`;
}

/** The generated header, for `npm run generate` and for the test that it is fresh. */
export function generate(): { path: string; text: string }[] {
  const rows = Object.entries(abi);
  const names = rows.map(([name]) => name as keyof typeof abi);
  const lines = [
    '// Generated from native/abi.ts. Run "npm run generate"; do not edit.',
    "#ifndef ZP_ABI_GENERATED_H",
    "#define ZP_ABI_GENERATED_H",
    "",
    ...rows.map(([name, value]) => `#define ZP_${name} ${value}`),
    "",
    "// native/abi.c alone turns this on: it includes every system header that is compared.",
    "#ifdef ZP_ABI_ASSERT",
    ...names.map(assertionOf).filter((text) => text !== ""),
    "#endif",
    "",
    "#endif",
    "",
  ];
  return [{ path: "native/abi.generated.h", text: lines.join("\n") }];
}
