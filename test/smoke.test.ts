import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
import { queueLayout } from "blockpt/abi";
import { expect, test } from "vitest";
test("smoke", async () => {
  expect(queueLayout(1024).bytes).toBe(28688);
  const bus = await createBus();
  const endpoint = await Endpoint.create(bus, { controller: "x" });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1 << 20));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("ram0");
  await disk.write(new Uint8Array(4096).fill(7), 0);
  await rc.detach("ram0");
  await endpoint.close();
});
