// What a condition says of a request, as plainly as possible and with other people's readers of
// queries where there are any, to hold the generated functions and the explanations against.

import ipaddr from "ipaddr.js";
import type { Condition, TextTest } from "zproxy/compiler/ir/condition.ts";

export interface ConditionedRequest {
  readonly method: string;
  readonly client: string;
  /** With its "?"; "" for none. */
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export function referenceHolds(condition: Condition, request: ConditionedRequest): boolean {
  switch (condition.kind) {
    case "and":
      return condition.parts.every((part) => referenceHolds(part, request));
    case "or":
      return condition.parts.some((part) => referenceHolds(part, request));
    case "not":
      return !referenceHolds(condition.part, request);
    case "method":
      return condition.methods.some(({ text }) => text === request.method);
    case "client":
      return condition.blocks.some(({ text }) => inBlock(request.client, text));
    default:
      return valuesOf(condition, request).some((value) => compares(condition, value));
  }
}

function inBlock(address: string, block: string): boolean {
  const client = ipaddr.process(address);
  const [start, bits] = block.split("/");
  // An IPv4-mapped address is the IPv4 address in it, for clients and for blocks alike.
  const network = bits === undefined ? ipaddr.process(start!) : ipaddr.parse(start!);
  const length = bits === undefined ? network.toByteArray().length * 8 : Number(bits);
  return client.kind() === network.kind() && client.match([network, length] as never);
}

function valuesOf({ kind, name }: TextTest, { query, headers }: ConditionedRequest): string[] {
  if (kind === "query") return new URLSearchParams(query).getAll(name.text);
  const wanted = kind === "cookie" ? "cookie" : name.text;
  const values = headers
    .filter(([field]) => field.toLowerCase() === wanted)
    .map(([, value]) => value.replace(/^[ \t]+|[ \t]+$/g, ""));
  if (kind === "header") return values;
  return values
    .flatMap((value) => value.split(";"))
    .map((pair) => /^[ \t]*([^=]*?)[ \t]*=[ \t]*(.*?)[ \t]*$/s.exec(pair))
    .flatMap((match) => (match?.[1] === name.text ? [match[2]!] : []));
}

function compares({ relation, texts }: TextTest, value: string): boolean {
  if (relation === "present") return true;
  return texts.some(({ text }) => {
    if (relation === "equals") return value === text;
    if (relation === "starts") return value.startsWith(text);
    return relation === "ends" ? value.endsWith(text) : value.includes(text);
  });
}
