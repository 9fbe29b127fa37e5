// The endpoint's side of the bus, in a thread of its own: it makes the endpoint, exports the disc, and answers what
// the page asks.

import {
  type Bus,
  type BusHandle,
  type Disc,
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

/** One disc, and the endpoint that exports it. */
export class EndpointSide {
  #bus: Bus | undefined;
  #disc: Disc | undefined;
  #endpoint: Endpoint | undefined;
  #order: ExportOrder | undefined;
  #log: Log = () => {};

  /** Makes the endpoint, exports the disc, and brings the link up. */
  async export(order: ExportOrder, log: Log): Promise<void> {
    this.#order = order;
    this.#log = log;
    this.#bus = openBus(order.bus);
    this.#disc = await openSource(this.#bus, order.source);
    await this.#start(this.#bus, this.#disc, order);
  }

  /** Has the endpoint end as if its process were killed; the disc stays. */
  async kill(): Promise<void> {
    await this.#started.kill();
  }

  /** Another endpoint, with the same disc, takes over from one that was killed. */
  async revive(): Promise<void> {
    if (this.#bus === undefined || this.#disc === undefined || this.#order === undefined) {
      throw new Error("nothing was exported");
    }
    await this.#start(this.#bus, this.#disc, this.#order);
  }

  async #start(bus: Bus, disc: Disc, { name, readOnly, queues }: ExportOrder): Promise<void> {
    const endpoint = await Endpoint.create(bus, { controller: CONTROLLER, log: this.#log });
    try {
      await endpoint.exportDisc(name, disc, { readOnly, queues });
      await endpoint.start();
    } catch (error) {
      await endpoint.close();
      disc.close();
      throw error;
    }
    this.#endpoint = endpoint;
  }

  inspect(): EndpointReport {
    return this.#started.inspect();
  }

  async setFaults(rules: readonly string[]): Promise<void> {
    await this.#started.setFaults(this.#order?.name ?? "", rules);
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
    // One that was killed has left it open.
    this.#disc?.close();
  }

  get #started(): Endpoint {
    if (this.#endpoint === undefined) throw new Error("nothing is exported");
    return this.#endpoint;
  }
}
