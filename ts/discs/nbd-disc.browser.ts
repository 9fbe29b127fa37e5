// In place of discs on NBD servers: a browser has no sockets.

import { absent } from "../platform/absent.browser.js";

export class NbdDisc {
  static async open(uri: string): Promise<never> {
    throw absent(`a connection to ${uri}`, "HttpDisc reads an image on a server");
  }

  static adopt(): never {
    throw absent("a connection", "its disc comes from elsewhere");
  }
}
