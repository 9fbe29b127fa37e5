// The NBD servers of `blockpt run` and `blockpt serve`: every attached disk is an export, by the name of its disc.

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  formatNbdUri,
  type NbdExport,
  NbdServer,
  type NbdTlsOptions,
  parseNbdUri,
} from "blockpt/nbd";
import { type Command, InvalidArgumentError } from "commander";
import { clearPath } from "../control/socket-path.js";
import { CliError, failureOf } from "../failure.js";
import type { Machine } from "./machine.js";

/** What the options say. */
export interface NbdOptions {
  /** Where it is listened. */
  readonly uris: readonly string[];
  /** A directory of certificates. */
  readonly tlsCertificates?: string | undefined;
  /** Whether clients have to have certificates, too. */
  readonly tlsVerifyPeer?: boolean | undefined;
}

/** An export, where clients find it. */
export interface NbdListing {
  readonly name: string;
  readonly uri: string;
}

export const NBD_HELP = `
An NBD URI says where clients connect:
  nbd://localhost:10809         TCP; nbd://0.0.0.0 for other machines too, port 0 for any that is free
  nbd+unix:///?socket=PATH      a Unix socket
  nbds://, nbds+unix://         with TLS, and only with it; with --tls-certificates also the others offer it
A directory of certificates has server-cert.pem and server-key.pem, and for --tls-verify-peer ca-cert.pem, the
authority's. An export is called as its disc is; the empty name means the only one.
`;

/** Most bytes of host memory that the connections take, so that copies are spared. */
export const NBD_HOST_MEMORY_BYTES = 64 * 1024 * 1024;

/** Adds the options of a server: the one that says where, which may be there several times, and TLS's. */
export function addServerOptions(command: Command, flags: string, description: string): Command {
  return command
    .option(flags, description, collectUris)
    .option("--tls-certificates <directory>", "certificates, for TLS")
    .option("--tls-verify-peer", "clients have to have certificates, too");
}

function collectUris(uri: string, before: readonly string[] = []): string[] {
  try {
    parseNbdUri(uri);
  } catch (error) {
    throw new InvalidArgumentError(failureOf(error).message);
  }
  return [...before, uri];
}

/** Refuses options that would do nothing. */
export function checkTls(options: NbdOptions, command: Command): void {
  const { uris, tlsCertificates, tlsVerifyPeer } = options;
  if (tlsVerifyPeer && tlsCertificates === undefined) {
    command.error("error: --tls-verify-peer goes with --tls-certificates");
  }
  if (tlsCertificates !== undefined && uris.length === 0) {
    command.error("error: --tls-certificates goes with --nbd");
  }
  const encrypted = uris.find((uri) => parseNbdUri(uri).tls);
  if (tlsCertificates === undefined && encrypted !== undefined) {
    command.error(`error: ${encrypted} goes with --tls-certificates`);
  }
}

/** Reads the certificates, if some are wanted; throws a `CliError` if one is not there. */
export async function readTls({
  tlsCertificates,
  tlsVerifyPeer,
}: NbdOptions): Promise<NbdTlsOptions | undefined> {
  if (tlsCertificates === undefined) return undefined;
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(join(tlsCertificates, file), "utf8");
    } catch (error) {
      const message = `--tls-certificates: ${failureOf(error).message}; ${file} has to be there`;
      throw new CliError({ code: "ERR_TLS_CERTIFICATES", message });
    }
  };
  const cert = await read("server-cert.pem");
  const key = await read("server-key.pem");
  return { cert, key, ca: tlsVerifyPeer ? await read("ca-cert.pem") : undefined };
}

/** Starts to listen; gives what there is, and what ends it. */
export async function startNbd(
  machine: Machine,
  { uris }: NbdOptions,
  tls: NbdTlsOptions | undefined,
  log: (line: string) => void,
): Promise<{ exports: () => NbdListing[]; close: () => Promise<void> }> {
  const servers: NbdServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  const exports = { [Symbol.iterator]: () => exportsOf(machine)[Symbol.iterator]() };
  try {
    for (const uri of uris) {
      const address = parseNbdUri(uri);
      // Others have other working directories.
      const socketPath = address.socketPath && resolve(address.socketPath);
      if (socketPath !== undefined) await clearPath(socketPath);
      const place = formatNbdUri({ ...address, socketPath });
      const heard = (line: string): void => log(`nbd: ${line}`);
      servers.push(await NbdServer.listen({ uri: place, exports, tls, log: heard }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const listings = (): NbdListing[] =>
    servers.flatMap((server) =>
      exportsOf(machine).map(({ name }) => ({ name, uri: server.uri(name) })),
    );
  return { exports: listings, close };
}

/** What is attached now. */
function exportsOf({ tree }: Machine): NbdExport[] {
  const { endpoint, rootComplex } = tree;
  return (endpoint?.exports ?? []).flatMap((name) => {
    const { discName } = endpoint?.exported(name) ?? {};
    const disk = rootComplex?.disks.find((one) => one.name === discName);
    if (endpoint === undefined || disk === undefined) return [];
    // A disc of its own endpoint can be asked for what the rings cannot say.
    const mayHaveHoles = (): boolean => endpoint.exported(name).mayHaveHoles !== false;
    return [{ name, disk, description: discName, mayHaveHoles }];
  });
}
