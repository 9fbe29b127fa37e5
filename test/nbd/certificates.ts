// Certificates for a test, made by openssl: an authority's, and what it signed for localhost.

import { mkdir, writeFile } from "node:fs/promises";
import { succeed } from "./tools.js";

const CONFIG = `
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
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
`;

/**
 * Makes a directory as servers want it: `ca-cert.pem`, `server-cert.pem` and `server-key.pem`. The authority
 * is another each time.
 */
export async function makeCertificates(directory: string): Promise<string> {
  await mkdir(directory);
  await writeFile(`${directory}/openssl.cnf`, CONFIG);
  const make = (name: string, subject: string, ...options: string[]) =>
    succeed(
      "openssl",
      [
        ...["req", "-x509", "-config", "openssl.cnf", "-days", "30", "-subj", `/CN=${subject}`],
        ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-keyout", `${name}-key.pem`, "-out", `${name}-cert.pem`, ...options],
      ],
      { cwd: directory },
    );
  await make("ca", "authority of a test", "-extensions", "authority");
  const signed = ["-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-extensions", "server"];
  await make("server", "localhost", ...signed);
  return directory;
}
