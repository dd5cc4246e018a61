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
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"] }',
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
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["192.168.1.0/24"] }',
  }),
  "cidr/covered": entry<{ value: string; outer: string }>({
    severity: "warning",
    message: ({ value, outer }) => `${value} is covered by ${outer} already`,
    hint: ({ value }) => `remove ${value}, or the larger block`,
    meaning:
      "Every address of the entry is in another entry of the same list, so the entry changes nothing. Often the larger block is the one that was not meant.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8", "10.1.0.0/16"] }',
    remedy: "Keep one of the two.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"] }',
  }),
  "cidr/never-matches": entry<{ value: string; reason: string }>({
    severity: "warning",
    message: ({ value, reason }) => `${value} changes nothing: ${reason}`,
    hint: ({ value }) => `remove ${value}, or correct the other list`,
    meaning:
      "`denied_ips` is looked at before `allowed_ips`. An allowed entry that is denied as a whole lets nobody in, and a denied entry outside of everything allowed keeps nobody out.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"], denied_ips = ["192.168.0.0/16"] }',
    remedy: "Remove the entry, or correct it.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"], denied_ips = ["10.1.0.0/16"] }',
  }),
};
