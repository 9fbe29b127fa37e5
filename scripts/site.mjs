// The bench page, built and served: `npm run site`.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildSite } from "./site/build.mjs";
import { serveSite } from "./site/server.mjs";

const HELP = `Builds the bench page into dist-site/, and serves it until Ctrl-C.

  npm run site                    on a port that is free
  npm run site -- --port 8080
  npm run site -- --build         builds it only

  --port PORT   where it listens, on the loopback interface
  --build       does not serve
  --help

The page needs the headers that this server sends; another one has to send them, too:
scripts/site/headers.mjs.`;

const folder = fileURLToPath(new URL("../dist-site", import.meta.url));

function optionsGiven() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "0" },
        build: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      throw new Error(`--port ${values.port}: a number from 0 to 65535 is wanted`);
    }
    return { ...values, port };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    process.exit(2);
  }
}

const { port, build, help } = optionsGiven();
if (help) {
  console.log(HELP);
} else {
  await buildSite(folder);
  if (build) console.log("built dist-site/");
  else await serve();
}

async function serve() {
  try {
    const { url } = await serveSite(folder, { port });
    console.log(`${url} (Ctrl-C ends it)`);
  } catch (error) {
    console.error(
      `cannot serve on port ${port}: ${error instanceof Error ? error.message : error}`,
    );
    process.exitCode = 1;
  }
}
