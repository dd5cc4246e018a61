// A small API to put behind the proxy: it answers every request with what it saw of it.

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

/**
 * Starts the API on a loopback port and resolves to the server. Rejects when the port is taken
 * (EADDRINUSE).
 */
export function startDemoApi(port) {
  const server = createServer((request, response) => {
    let bodyBytes = 0;
    request.on("data", (bytes) => {
      bodyBytes += bytes.length;
    });
    request.on("end", () => {
      const { method, url, headers } = request;
      const answer = { message: "Hello from the demo API", method, url, bodyBytes, headers };
      response.setHeader("content-type", "application/json");
      response.end(`${JSON.stringify(answer, null, 2)}\n`);
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await startDemoApi(8081);
  console.log("demo API on http://127.0.0.1:8081");
}
