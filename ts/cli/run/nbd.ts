// The NBD servers of `blockpt run` and `blockpt serve`: every attached disk is an export, by the name of its disc.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type NbdExport, NbdServer, type NbdTlsOptions, parseNbdUri } from "blockpt/nbd";
import { type Command, InvalidArgumentError, Option } from "commander";
import { clearPath } from "../control/socket-path.js";
import { CliError, failureOf } from "../failure.js";
import type { Machine } from "./machine.js";

/** What the options say. */
export interface NbdOptions {
  /** Where it is listened. */
  readonly uris: readonly string[];
  /** A directory of certificates. */
  readonly tlsCertificates?: string | undefined;
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
A directory of certificates has server-cert.pem and server-key.pem, and ca-cert.pem if clients have to have
certificates of that authority. The empty name of an export means the only disk.
`;

/** Most bytes of host memory that the connections take, so that copies are spared. */
export const NBD_HOST_MEMORY_BYTES = 64 * 1024 * 1024;

/** An option that names a place to listen at, and may be there several times. */
export function listenOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((uri: string, before: readonly string[] = []) => {
    try {
      parseNbdUri(uri);
    } catch (error) {
      throw new InvalidArgumentError(failureOf(error).message);
    }
    return [...before, uri];
  });
}

export function tlsOption(): Option {
  return new Option("--tls-certificates <directory>", "certificates, for TLS");
}

/** Refuses certificates that nobody would use. */
export function checkTls({ uris, tlsCertificates }: NbdOptions, command: Command): void {
  if (tlsCertificates !== undefined && uris.length === 0) {
    command.error("error: --tls-certificates goes with --nbd");
  }
}

/** Starts to listen; gives what there is, and what ends it. */
export async function startNbd(
  machine: Machine,
  { uris, tlsCertificates }: NbdOptions,
  log: (line: string) => void,
): Promise<{ exports: () => NbdListing[]; close: () => Promise<void> }> {
  const servers: NbdServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  const exports = { [Symbol.iterator]: () => exportsOf(machine)[Symbol.iterator]() };
  const tls = tlsCertificates === undefined ? undefined : await readCertificates(tlsCertificates);
  try {
    for (const uri of uris) {
      const { socketPath } = parseNbdUri(uri);
      if (socketPath !== undefined) await clearPath(socketPath);
      const heard = (line: string): void => log(`nbd: ${line}`);
      servers.push(await NbdServer.listen({ uri, exports, tls, log: heard }));
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

async function readCertificates(directory: string): Promise<NbdTlsOptions> {
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(join(directory, file), "utf8");
    } catch (error) {
      const { message } = failureOf(error);
      throw new CliError({
        code: "ERR_TLS_CERTIFICATES",
        message: `--tls-certificates: ${message}; ${file} has to be there`,
      });
    }
  };
  const cert = await read("server-cert.pem");
  const key = await read("server-key.pem");
  const hasAuthority = await readFile(join(directory, "ca-cert.pem"), "utf8").catch(() => undefined);
  return { cert, key, ca: hasAuthority };
}
