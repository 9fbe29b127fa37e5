// A thread that drives queues of disks in calls that block, as it is told: the sync queue, or the one in batches.

import { parentPort, workerData } from "node:worker_threads";
import { Operation } from "../../dist/abi.js";
import { openBatchQueue, openBus, openQueue } from "../../dist/index.js";

const bus = openBus(workerData.bus);
const queues = new Map();

/** The two kinds of queues, each with the same two calls. */
const kinds = {
  sync(handle) {
    const queue = openQueue(bus, handle);
    return {
      read: (target, offset) => queue.readSync(target, offset),
      write: (source, offset) => queue.writeSync(source, offset),
      close: () => queue.close(),
    };
  },
  batch(handle) {
    const queue = openBatchQueue(bus, handle);
    const buffer = queue.allocate(4096);
    const move = (opf, lenBytes, offset) => {
      queue.put(opf, offset, lenBytes, buffer.byteOffset, 1);
      queue.submit();
      while (queue.wait() === 0);
      const status = queue.status(0);
      if (status !== 0)
        throw Object.assign(new Error(`status ${status}`), { code: `status ${status}` });
    };
    return {
      read(target, offset) {
        move(Operation.READ, target.length, offset);
        target.set(buffer.subarray(0, target.length));
      },
      write(source, offset) {
        buffer.set(source);
        move(Operation.WRITE, source.length, offset);
      },
      close: () => queue.close(),
    };
  },
};

const calls = {
  open: ({ id, handle }) => void queues.set(id, kinds[workerData.kind](handle)),
  read: ({ id, bytes, offset }) => queues.get(id).read(bytes, offset),
  write: ({ id, bytes, offset }) => queues.get(id).write(bytes, offset),
  close({ id }) {
    queues.get(id).close();
    queues.delete(id);
  },
};

parentPort.on("message", ({ call, ...args }) => {
  try {
    calls[call](args);
    parentPort.postMessage(undefined);
  } catch (error) {
    parentPort.postMessage({ code: error.code, message: error.message });
  }
});
