// What a route asks of a request before its handler sees it, in the order in which refusals win:
// the head's limits, the client's address, the method, the body's size, the rate. What holds for a
// route holds for all of its targets; only whether a method can be served is a target's own matter.

import { readClientAddress } from "./client-address.ts";
import type { Connection } from "./connection.ts";
import type { EventLoop } from "./event-loop.ts";
import * as observer from "./exchange-observer.ts";
import { METHODS_READING } from "./method.ts";
import type { Route } from "./route.ts";
import { TICK_MS } from "./timer-wheel.ts";

/**
 * The route's own limits and rules: 0, or the status that refuses the request. For 405 the
 * connection's route is the one whose methods the answer names.
 */
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
  if (waitedTicks > 0 && waitedTicks * TICK_MS > route.headerTimeoutMs) return 408;
  if (route.needsClient) {
    if (!readClientAddress(loop, connection)) return 403;
    if (route.allowsClient !== null && !route.allowsClient(loop.clientAddress)) return 403;
  }
  const { bytes, method, methodStart, methodEnd } = loop.request;
  if (!route.methods.allows(method, bytes, methodStart, methodEnd)) return 405;
  if (FILE_ROUTES && (method & METHODS_READING) === 0) {
    const target = targetOf(route, loop);
    if (!target.isProxy) {
      connection.route = target;
      return 405;
    }
  }
  if (connection.bodyRemaining > limits.maxRequestBodySize) return 413;
  return !RATE_LIMITS || route.rateLimit === 0 ? 0 : checkRate(route, loop);
}

/** Where the route sends the request; its checks have passed the client, if it looks at one. */
export function targetOf(route: Route, { request, routes, clientAddress }: EventLoop): Route {
  return route.choose === null ? route : routes[route.choose(request, clientAddress)]!;
}

/** Counts the request: 0, or 429 with the time to wait noted for the answer. */
function checkRate(route: Route, loop: EventLoop): number {
  const { clientAddress, rateLimiter, realtimeSecs, replies } = loop;
  const wait = rateLimiter!.take(route.keyHash, clientAddress, route.rateLimit, realtimeSecs);
  replies.retryAfterSecs = wait;
  if (wait !== 0) observer.rateLimited(loop);
  return wait === 0 ? 0 : 429;
}
