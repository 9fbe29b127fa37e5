// Links that lead nowhere: of the README, of docs/, and of the API pages that `npm run docs` made. Files and anchors are looked for;
// links to elsewhere are only read, as this has to work without a net.

import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { LinkChecker, LinkState } from "linkinator";

const PAGES = [
  ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md", "docs/guides/*.md"],
  ...["docs/api/*.html", "docs/api/*/*.html"],
];

const serverRoot = fileURLToPath(new URL("..", import.meta.url));
process.chdir(serverRoot);
if (!existsSync("docs/api/index.html")) {
  console.error("docs/api is not there: npm run docs makes it");
  process.exit(1);
}

const port = await freePort();
const here = `http://localhost:${port}/`;
const checker = new LinkChecker();
// Twice: an anchor that is asked for when its page has been read is looked for when it is read again.
const links = [await checkAll(), await checkAll()].flat();

const complaints = new Set();
for (const { state, url, parent } of links) {
  const from = parent === undefined ? "" : `${parent}: `;
  if (state === LinkState.BROKEN) complaints.add(`${from}${url} is not there`);
  if (state === LinkState.SKIPPED && !isAddress(url)) complaints.add(`${from}${url} is no address`);
}
for (const complaint of complaints) console.error(complaint);

const seen = new Set(links.map(({ url }) => url));
const elsewhere = [...seen].filter((url) => /^\w+:/.test(url)).length;
console.log(`${seen.size - elsewhere} places are linked to, and ${elsewhere} elsewhere`);
process.exitCode = complaints.size > 0 ? 1 : 0;

async function checkAll() {
  const { links } = await checker.check({
    path: [...PAGES],
    port,
    serverRoot,
    markdown: true,
    checkFragments: true,
    linksToSkip: async (link) => !link.startsWith(here),
  });
  return links;
}

/** Whether a reader can open what is not here, going by its looks. */
function isAddress(url) {
  if (/^(data|mailto):/.test(url)) return true;
  return /^https?:\/\/[\w-]+(\.[\w-]+)+(:\d+)?(\/|$)/.test(url);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
