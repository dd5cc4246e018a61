// Who a request is from, as rules and upstreams are told.

import type { Connection } from "./connection.ts";
import { ADDRESS_BYTES_MAX, type EventLoop } from "./event-loop.ts";
import { followForwardedFor } from "./forwarded-for.ts";

/**
 * Makes the peer's address known as text in `loop.addresses`, asked from the kernel once. False: it
 * does not know it any more, as the connection has broken off.
 */
export function readPeerText(loop: EventLoop, connection: Connection): boolean {
  if (connection.addressLength !== 0) return true;
  const at = connection.slot * ADDRESS_BYTES_MAX;
  connection.addressLength = Math.max(0, loop.calls.peerAddress(connection.fd, loop.addresses, at));
  return connection.addressLength !== 0;
}

/** Reads the peer's address into `loop.clientAddress`. False: the kernel does not know it. */
export function readPeerAddress(loop: EventLoop, connection: Connection): boolean {
  if (!readPeerText(loop, connection)) return false;
  const start = connection.slot * ADDRESS_BYTES_MAX;
  return loop.clientAddress.parse(loop.addresses, start, start + connection.addressLength);
}

/**
 * Reads the address of the request's client into `loop.clientAddress`, once: the peer's, or the one
 * that trusted proxies have named. False when the kernel does not know the peer any more: the
 * connection has broken off.
 */
export function readClientAddress(loop: EventLoop, connection: Connection): boolean {
  const { clientAddress, isTrustedProxy, request } = loop;
  if (request.isClientKnown) return true;
  if (!readPeerAddress(loop, connection)) return false;
  request.isClientKnown = true;
  if (isTrustedProxy === null || !isTrustedProxy(clientAddress)) return true;
  request.isForwarded = true;
  followForwardedFor(request.bytes, request.fields, isTrustedProxy, clientAddress);
  return true;
}
