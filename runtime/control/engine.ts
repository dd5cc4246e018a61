// What is behind the workers' rings: the kernel's io_uring, or its twin on epoll.

import { ENGINE_EPOLL, ENGINE_IO_URING } from "../../native/abi.ts";
import type { ServerSettings } from "../data/api.ts";
import type { Addon } from "../native.ts";
import { StartError } from "./start-error.ts";

/**
 * The engine that the config asks for; `auto` takes epoll where io_uring is refused, and `warn` is
 * told why. Asks the kernel as the user that the workers run as.
 */
export function chooseEngine(
  io: ServerSettings["io"],
  addon: Addon,
  warn: (text: string) => void,
): number {
  if (io === "epoll") return ENGINE_EPOLL;
  const { ioUring, cause, remedy } = addon.probe();
  if (ioUring) return ENGINE_IO_URING;
  if (io === "io_uring") throw new StartError(`io_uring can't be used: ${cause}\n${remedy}`);
  warn(`io_uring can't be used, epoll serves instead: ${cause} ${remedy}`);
  return ENGINE_EPOLL;
}
