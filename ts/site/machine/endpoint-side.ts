// The endpoint's side of the bus, in a thread of its own: it makes the endpoint, exports the disc, and answers what
// the page asks.

import {
  type BusHandle,
  Endpoint,
  type EndpointReport,
  type LinkFaults,
  type LinkFaultsReport,
  openBus,
} from "blockpt";
import type { DiscSource } from "../model/source.js";
import { openSource } from "./open-source.js";

/** What the endpoint is to export. */
export interface ExportOrder {
  readonly bus: BusHandle;
  readonly source: DiscSource;
  readonly name: string;
  readonly readOnly: boolean;
  readonly queues: number;
}

const CONTROLLER = "44100000.pcie";

/** Hears a line of the driver's. */
export type Log = (line: string) => void;

/** One endpoint with one disc. */
export class EndpointSide {
  #endpoint: Endpoint | undefined;
  #name = "";

  /** Makes the endpoint, exports the disc, and brings the link up. */
  async export(order: ExportOrder, log: Log): Promise<void> {
    const bus = openBus(order.bus);
    const disc = await openSource(bus, order.source);
    const endpoint = await Endpoint.create(bus, { controller: CONTROLLER, log });
    try {
      const { name, readOnly, queues } = order;
      await endpoint.exportDisc(name, disc, { readOnly, queues });
      await endpoint.start();
    } catch (error) {
      await endpoint.close();
      disc.close();
      throw error;
    }
    this.#name = order.name;
    this.#endpoint = endpoint;
  }

  inspect(): EndpointReport {
    return this.#started.inspect();
  }

  async setFaults(rules: readonly string[]): Promise<void> {
    await this.#started.setFaults(this.#name, rules);
  }

  async setLinkFaults(faults: LinkFaults): Promise<void> {
    await this.#started.setLinkFaults(faults);
  }

  linkFaults(): LinkFaultsReport {
    return this.#started.linkFaults;
  }

  async close(): Promise<void> {
    await this.#endpoint?.close();
    this.#endpoint = undefined;
  }

  get #started(): Endpoint {
    if (this.#endpoint === undefined) throw new Error("nothing is exported");
    return this.#endpoint;
  }
}
