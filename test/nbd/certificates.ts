// Certificates for a test, made by openssl: an authority's, and what it signed.

import { mkdir, writeFile } from "node:fs/promises";
import { succeed } from "./tools.js";

const configOf = (host: string): string => `
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:${host},IP:127.0.0.1,IP:::1
[client]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
`;

/**
 * Makes a directory as nbdkit and libnbd want it: `ca-cert.pem`, and certificates and keys of a server and of
 * a client. The authority is another each time.
 */
export async function makeCertificates(directory: string, host = "localhost"): Promise<string> {
  await mkdir(directory);
  await writeFile(`${directory}/openssl.cnf`, configOf(host));
  const make = (name: string, subject: string, ...options: string[]) => {
    const request = ["req", "-x509", "-config", "openssl.cnf", "-days", "30"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const files = ["-keyout", `${name}-key.pem`, "-out", `${name}-cert.pem`];
    const args = [...request, ...key, ...files, "-subj", `/CN=${subject}`, ...options];
    return succeed("openssl", args, { cwd: directory });
  };
  await make("ca", "authority of a test", "-extensions", "authority");
  const signed = ["-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-extensions"];
  await make("server", host, ...signed, "server");
  await make("client", "client", ...signed, "client");
  return directory;
}
