// What a route asks of a request before its handler sees it, in the order in which refusals win:
// the head's limits, the client's address, the method, the body's size, the rate.

import { readClientAddress } from "./client-address.ts";
import type { Connection } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import type { Route } from "./route.ts";

/** The route's own limits and policy: 0, or the status that refuses the request. */
export function checkRoute(
  route: Route,
  loop: EventLoop,
  connection: Connection,
  headBytes: number,
  waitedTicks: number,
): number {
  const { limits } = route;
  if (headBytes > limits.maxRequestHeaderSize) {
    const lineBytes = loop.request.targetEnd - loop.request.methodStart;
    return lineBytes > limits.maxRequestHeaderSize ? 414 : 431;
  }
  if (waitedTicks > 0 && waitedTicks << 7 > route.headerTimeoutMs) return 408;
  if (route.needsClient) {
    if (!readClientAddress(loop, connection)) return 403;
    if (route.allowsClient !== null && !route.allowsClient(loop.clientAddress)) return 403;
  }
  if (route.policy !== null) {
    const status = route.policy(loop.request);
    if (status !== 0) return status;
  }
  if (connection.bodyRemaining > limits.maxRequestBodySize) return 413;
  return !RATE_LIMITS || route.rateLimit === 0 ? 0 : checkRate(route, loop);
}

/** Counts the request: 0, or 429 with the time to wait noted for the answer. */
function checkRate(route: Route, loop: EventLoop): number {
  const { clientAddress, rateLimiter, realtimeSecs, replies } = loop;
  const wait = rateLimiter!.take(route.keyHash, clientAddress, route.rateLimit, realtimeSecs);
  replies.retryAfterSecs = wait;
  if (wait !== 0) observer.rateLimited(loop);
  return wait === 0 ? 0 : 429;
}
