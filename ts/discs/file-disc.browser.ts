// In place of discs in files: a browser has none.

import { absent } from "../platform/absent.browser.js";

export class FileDisc {
  static async open(path: string): Promise<never> {
    throw absent(
      `the file ${path}`,
      "OpfsDisc is a file of the page's own, BlobDisc one that somebody picked, HttpDisc one on a server",
    );
  }

  static adopt(): never {
    throw absent("a file", "its disc comes from elsewhere");
  }
}
