// The other side of a disk made of messages: has the disc's bytes, and answers each message by one.

import { randomFillSync } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";

const { way, sizeBytes, blockBytes, slots } = workerData;
const disc = randomFillSync(new Uint8Array(sizeBytes));

parentPort?.on("message", ({ slot, offset, isWrite, data }) => {
  if (way === "slot") {
    const at = slot * blockBytes;
    if (isWrite) disc.set(slots.subarray(at, at + blockBytes), offset);
    else slots.set(disc.subarray(offset, offset + blockBytes), at);
    parentPort?.postMessage({ slot });
  } else if (isWrite) {
    disc.set(data, offset);
    if (way === "transfer") parentPort?.postMessage({ slot, data }, [data.buffer]);
    else parentPort?.postMessage({ slot });
  } else {
    const read = disc.slice(offset, offset + blockBytes);
    parentPort?.postMessage({ slot, data: read }, way === "transfer" ? [read.buffer] : []);
  }
});
parentPort?.postMessage("ready");
