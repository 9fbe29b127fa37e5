// `blockpt serve` as a process of its own, for tests in which somebody else's program is the client.

import type { Ended, Place, ReadyEvent, RunEvent, Running } from "../cli/command-line.js";
import { eventsIn } from "../cli/command-line.js";

export interface NbdReady extends RunEvent {
  readonly nbd: readonly { readonly name: string; readonly uri: string }[];
}

export interface NbdServer {
  readonly ready: NbdReady;
  readonly running: Running;
  /** Where an export is; the name "" is the server's default. */
  uri(name?: string): string;
  /** The path of its Unix socket; empty if it listens elsewhere. */
  readonly socket: string;
  /** Has it end, and says how it did. */
  close(): Promise<Ended>;
}

export interface ServerOptions {
  /** Where it listens; a Unix socket in the place if it is not said. */
  readonly listen?: string | undefined;
  /** The directory with its certificates. */
  readonly tlsCertificates?: string | undefined;
  /** Whether clients have to have certificates, too. */
  readonly tlsVerifyPeer?: boolean | undefined;
}

/**
 * Starts a server, and waits until it listens.
 *
 * @param discs - as behind `blockpt serve`: `ram0=memory:1M`, `img=disk.img,ro`
 */
export async function startServer(
  place: Place,
  discs: readonly string[],
  { listen, tlsCertificates, tlsVerifyPeer }: ServerOptions = {},
): Promise<NbdServer> {
  const uri = listen ?? `nbd+unix:///?socket=${place.path("nbd.sock")}`;
  const tls = tlsCertificates === undefined ? [] : ["--tls-certificates", tlsCertificates];
  const verify = tlsVerifyPeer ? ["--tls-verify-peer"] : [];
  const running = place.start(["serve", "--json", "--listen", uri, ...tls, ...verify, ...discs]);
  return serverOf(running, await readyIn(running));
}

/** Starts `blockpt run --nbd`: a server beside the control socket and the config tree. */
export async function startRunWithServer(
  place: Place,
  args: readonly string[],
): Promise<NbdServer & { readonly ready: NbdReady & ReadyEvent }> {
  const uri = `nbd+unix:///?socket=${place.path("nbd.sock")}`;
  const running = await place.startRun(["--nbd", uri, ...args]);
  const ready = running.ready as ReadyEvent & NbdReady;
  return { ...serverOf(running, ready), ready };
}

/** Waits for the line that says that it listens. */
async function readyIn(running: Running): Promise<NbdReady> {
  // All of the line has to be there.
  const stdout = await running.printed(/"ready".*\n/);
  return eventsIn(stdout).find(({ event }) => event === "ready") as NbdReady;
}

function serverOf(running: Running, ready: NbdReady): NbdServer {
  const address = new URL(ready.nbd[0]?.uri ?? "nbd://not-listening");
  return {
    ready,
    running,
    uri: (name = "") => {
      const url = new URL(address);
      url.pathname = `/${encodeURIComponent(name)}`;
      return url.href;
    },
    socket: address.searchParams.get("socket") ?? "",
    close: () => {
      running.kill("SIGTERM");
      return running.ended;
    },
  };
}
