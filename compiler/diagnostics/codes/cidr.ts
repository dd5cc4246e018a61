// Codes about addresses and blocks of addresses, wherever they stand.

import { entry } from "../code-entry.ts";

export const cidrCodes = {
  "cidr/invalid": entry<{ value: string; reason: string }>({
    severity: "error",
    message: ({ value, reason }) => `${value} is not an address or a CIDR block: ${reason}`,
    hint: () => 'write "192.168.1.1", "192.168.0.0/16", "::1" or "2001:db8::/32"',
    meaning:
      "Address lists decide who gets in, so an entry that cannot be read is an error and " +
      "never ignored. Short and octal forms of IPv4 are refused, because programs disagree " +
      "about them.",
    example:
      '[host_routes."example.com"]\npath = "/var/www"\nsecurity = { allowed_ips = ["10.0.0/8"] }',
    remedy: 'Write all four numbers: `"10.0.0.0/8"`.',
  }),
  "cidr/host-bits": entry<{ value: string; network: string }>({
    severity: "warning",
    message: ({ value, network }) => `${value} means ${network}`,
    hint: ({ network }) => `write "${network}", or the address without its prefix length`,
    meaning:
      "The address has bits set after the prefix length. The whole block is meant, which may " +
      "be more than the author wanted.",
    example:
      '[host_routes."example.com"]\npath = "/var/www"\nsecurity = { allowed_ips = ' +
      '["192.168.1.7/24"] }',
    remedy: 'Write the block, `"192.168.1.0/24"`, or the one address, `"192.168.1.7"`.',
  }),
};
