// What each consumer does with the package, however it came by it: a disc exported, attached, written and read back, once
// for each engine. Copied into the consumer's folder.

/**
 * @param {typeof import("blockpt")} blockpt
 * @param {{ bus?: object, endpoint?: object }} [options] - where the files are that a bundler has put elsewhere
 * @returns {Promise<string>} what was read, and by which engine
 */
export async function roundTrip({ createBus, Endpoint, MemoryDisc, RootComplex }, options = {}) {
  const results = [];
  for (const engine of ["wasm", "typescript"]) {
    const bus = await createBus({ engine, ...options.bus });
    const endpoint = await Endpoint.create(bus, {
      controller: "44100000.pcie",
      ...options.endpoint,
    });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("ram0");
    await disk.write(new TextEncoder().encode(`hello, ${engine}`.padEnd(4096)), 8192);
    const back = new Uint8Array(4096);
    await disk.read(back, 8192);
    await rc.close();
    await endpoint.close();
    results.push(`${bus.engine.kind}: ${new TextDecoder().decode(back).trim()}`);
  }
  return results.join("; ");
}
