// Faults on the command line and in config files: what is accepted and told, and that they befall who uses the disk.

import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { parseDiscOption } from "../../ts/cli/run/disc-option.js";
import { need, run, TOOL_TEST_MS } from "../nbd/tools.js";
import { Place } from "./command-line.js";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

test("a disc of the command line has any number of faults", () => {
  const { disc } = parseDiscOption(
    "ram0=memory:1M,fault=error=EIO:read:every=100,ro,fault=delay=50ms:flush",
  );
  expect(disc).toEqual({
    disc_name: "memory:1M",
    read_only: true,
    fault: ["error=IOERR:read:every=100", "delay=50ms:flush"],
  });
});

test.each([
  ["ram0=memory:1M,fault", /fault=KIND\[=VALUE\].*is wanted/],
  ["ram0=memory:1M,fault=eror", /"eror".*error, delay, stall, torn, lost-flush, corrupt/],
  ["ram0=memory:1M,fault=error=EBADF", /"EBADF".*EIO/],
  ["ram0=memory:1M,fault=delay=5", /as 50ms or 1\.5s/],
  ["ram0=memory:1M,falt=error", /fault may stand there/],
  ["ram0=memory:1M,ro,ro", /ro stands there twice/],
])("--disc %s is refused, and what would do is said", (text, why) => {
  expect(() => parseDiscOption(text)).toThrow(why);
});

test("a config file has them, and tells of all that is wrong, each at its place", async () => {
  const text = [
    "functions:",
    "  func1:",
    "    discs:",
    "      ram0: { disc_name: memory:1M, fault: [error=EIO:read, delay] }",
    "      ram1: { disc_name: memory:1M, fault: error }",
  ].join("\n");
  await writeFile(place.path("disks.yaml"), text);
  const { exitCode, stderr } = await place.run(["run", "--config", "disks.yaml", "--", "true"]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /disks\.yaml:4:\d+: functions\.func1\.discs\.ram0\.fault\.1: .*durationMs/,
  );
  expect(stderr).toMatch(
    /disks\.yaml:5:\d+: functions\.func1\.discs\.ram1\.fault: a list of faults/,
  );
});

test("they are shown by inspect, dumped, and changed by apply while the disk is attached", async () => {
  await place.startRun(["--disc", "ram0=memory:1M,fault=error=EIO:write:every=2"]);
  const dumped = await place.run(["dump"]);
  const document = parse(dumped.stdout);
  expect(document.functions.func1.discs.ram0.fault).toEqual(["error=IOERR:write:every=2"]);
  const shown = await place.run(["inspect"]);
  expect(shown.stdout).toMatch(
    /Faults\n +DISC +HITS +SEEN +FAULT\n +ram0 +0 +0 +error=IOERR:write:every=2\n/,
  );

  document.functions.func1.discs.ram0.fault = ["delay=1ms:read"];
  const applied = await place.run(["apply", "-"], {}, JSON.stringify(document));
  expect(applied).toMatchObject({ exitCode: 0, stderr: "" });
  expect(applied.stdout.trim().split("\n")).toEqual([
    "changed /sys/kernel/config/pci_ep/functions/pci_epf_blockpt/func1/ram0",
  ]);
  const report = JSON.parse((await place.run(["inspect", "--json"])).stdout);
  expect(report.endpoint.discs[0].faults[0].text).toBe("delay=1ms:read");
  document.functions.func1.discs.ram0.fault = [];
  await place.run(["apply", "-"], {}, JSON.stringify(document));
  expect((await place.run(["inspect"])).stdout).not.toContain("Faults");
});

test("the shell writes them, and dd sees them", async () => {
  const disc = "/sys/kernel/config/pci_ep/functions/pci_epf_blockpt/func1/d";
  const script = `
    cd /sys/kernel/config/pci_ep
    mkdir functions/pci_epf_blockpt/func1
    mkdir ${disc}
    echo memory:1M > ${disc}/disc_name
    ln -s functions/pci_epf_blockpt/func1 controllers/44100000.pcie/
    echo 1 > controllers/44100000.pcie/start
    insmod pci-remote-disk.ko
    echo 1 > /sys/kernel/config/pci_remote_disk/d/attach
    echo error=EIO:read delay=1ms:flush > ${disc}/fault
    cat ${disc}/fault
    dd if=/dev/pci-rd-d of=/dev/null bs=4096 count=1 status=none
    echo > ${disc}/fault
    dd if=/dev/pci-rd-d bs=512 count=1 status=none | wc -c`;
  const { stdout, stderr } = await place.run(["sh"], {}, script);
  expect(stdout).toContain("error=IOERR:read\ndelay=1ms:flush\n");
  expect(stdout.trim().split("\n").at(-1)?.trim()).toBe("512");
  expect(stderr).toMatch(/dd: .*[Ii]nput\/output error/);
});

test("an NBD client sees the errno", { timeout: TOOL_TEST_MS }, async (context) => {
  need(context, "qemu-io");
  const uri = `nbd+unix:///ram0?socket=${place.path("nbd.sock")}`;
  const disc =
    "ram0=memory:1M,fault=error=MEDIUM:read:sectors=8-15,fault=error=NOSPC:write:after=1";
  const running = place.start([
    "serve",
    disc,
    "--listen",
    `nbd+unix:///?socket=${place.path("nbd.sock")}`,
  ]);
  await running.printed("Ctrl-C");
  // One command a run: it ends at the first that fails.
  const io = async (command: string): Promise<string> => {
    const { stdout, stderr } = await run("qemu-io", [
      "-t",
      "none",
      "-f",
      "raw",
      "-c",
      command,
      uri,
    ]);
    return stdout + stderr;
  };
  expect(await io("read 0 4096")).toContain("read 4096/4096");
  expect(await io("read 4096 4096")).toContain("Input/output error");
  expect(await io("write -P 1 0 4096")).toContain("wrote 4096/4096");
  expect(await io("write -P 2 0 4096")).toContain("No space left on device");
  expect(await io("read -P 1 0 4096")).toContain("read 4096/4096");
  running.kill("SIGTERM");
  await running.ended;
});
