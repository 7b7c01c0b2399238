import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Registry } from "prom-client";

/** One reason for each part that is not as it should be; empty: ready. */
export type Complaints = readonly string[];

export interface HealthServerOptions {
  /** 0 chooses a free one. */
  readonly port: number;
  readonly host?: string;
  readonly registry: Registry;
  complaints(): Complaints;
  /** What an operator should know although nothing is missing; follows the answer of `/readiness`, line by line. */
  remarks?(): readonly string[];
  /** Told when a part could not say how it is. Whoever asked got the message with status 500. */
  readonly onError: (error: unknown) => void;
}

export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

/** A main loop that was held up for longer than this was not well. */
const longestPause = 2_000;

type Answer = (status: number, body: string, type?: string) => void;

/**
 * `/readiness`, `/liveness` and `/metrics`. They are answered on the main loop, which does everything else too: an agent whose loop hangs cannot
 * say that it lives.
 */
export async function serveHealth(options: HealthServerOptions): Promise<HealthServer> {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const reply = async (url: string | undefined, answer: Answer) => {
    // Prometheus and probes may add parameters.
    switch (url?.split("?")[0]) {
      case "/liveness": {
        const pause = delay.max / 1e6;
        delay.reset();
        return answer(
          pause < longestPause ? 200 : 503,
          `longest pause of the main loop: ${pause.toFixed(1)} ms\n`,
        );
      }
      case "/readiness": {
        const complaints = options.complaints();
        const lines = [complaints.join("\n") || "ready", ...(options.remarks?.() ?? [])];
        return answer(complaints.length === 0 ? 200 : 503, `${lines.join("\n")}\n`);
      }
      case "/metrics":
        return answer(200, await options.registry.metrics(), options.registry.contentType);
      default:
        return answer(404, "there are /readiness, /liveness and /metrics\n");
    }
  };
  const server = createServer((request, response) => {
    const answer: Answer = (status, body, type = "text/plain") =>
      void response.writeHead(status, { "content-type": type }).end(body);
    reply(request.url, answer).catch((error: unknown) => {
      options.onError(error);
      answer(500, `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  server.requestTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, addressOf(options.host ?? "localhost"), () => resolve());
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : options.port,
    async [Symbol.asyncDispose]() {
      delay.disable();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** RFC 6761: `localhost` is the loopback. A node without /etc/hosts would ask a resolver, which may be a pod that waits for us. */
const addressOf = (host: string) => (host === "localhost" ? "127.0.0.1" : host);
