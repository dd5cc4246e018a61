// A response head as the client gets it, from the text of the upstream's.

import { ResponseHead } from "zproxy/runtime/data/http1-response.ts";
import { type ResponseDelivery, writeResponseHead } from "zproxy/runtime/data/proxy-head.ts";
import { ReplyWriter } from "zproxy/runtime/data/reply.ts";

/** To a client of HTTP/1.1 over a connection that stays. */
const PLAIN: ResponseDelivery = {
  addChunks: false,
  removeChunks: false,
  keepAlive: true,
  minorVersion: 1,
};

/** The Date that is written when the upstream sent none. */
export const WRITTEN_DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const WRITTEN_DATE_SECS = 784_111_777;

/** Scans `text`, which must be a sound head, and writes it for a client. */
export function rewrittenResponse(text: string, options: Partial<RewriteOptions> = {}): string {
  const bytes = Buffer.alloc(text.length * 2 + 1024);
  bytes.write(text, "latin1");
  const head = new ResponseHead(bytes);
  if (head.scan(0, text.length, options.toHead ?? false) !== text.length)
    throw new Error(`not one whole head: ${JSON.stringify(text)}`);
  const replies = new ReplyWriter(bytes, "00000000");
  replies.setClock(WRITTEN_DATE_SECS);
  const start = text.length + 1;
  const end = writeResponseHead(head, { ...PLAIN, ...options }, replies, start);
  return bytes.toString("latin1", start, end);
}

interface RewriteOptions extends ResponseDelivery {
  readonly toHead: boolean;
}
