// The shell's own commands, each in its good and its bad use.

import { mkdir, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledCommands, commandNames } from "../../ts/cli/sh/commands/commands.js";
import type { Place } from "./command-line.js";
import { FUNC1, onceAttached, placeWithImage, REMOTE, statementsOf } from "./shell-rig.js";

let place: Place;

beforeAll(async () => {
  place = await placeWithImage();
});

afterAll(() => place.remove());

/** Commands, and what each prints on stdout. */
async function expectOutput(cases: Readonly<Record<string, string>>): Promise<void> {
  const commands = Object.keys(cases);
  const statements = await onceAttached(place, ...commands.map((command) => `{ ${command}; }`));
  for (const [index, { stdout, stderr, exitCode }] of statements.entries()) {
    const command = commands[index] as string;
    const said = stderr.replace(/^pci-remote-disk 0001:01:00\.0: .*\n/gm, "");
    expect({ command, stdout, said, exitCode }).toEqual({
      ...{ command, said: "", exitCode: 0 },
      stdout: cases[command],
    });
  }
}

/** Commands that fail, and what each says. */
async function expectFailures(
  cases: Readonly<Record<string, string | RegExp>>,
  exitCode = 1,
): Promise<void> {
  const statements = await onceAttached(place, ...Object.keys(cases));
  for (const statement of statements) {
    const { command } = statement;
    const says = cases[command] as string | RegExp;
    const stderr = typeof says === "string" ? `${says}\n` : expect.stringMatching(says);
    expect(statement).toEqual({ command, stdout: "", stderr, exitCode });
  }
}

test("each has --help, also those that come with just-bash", async () => {
  const own = commandNames().slice(0, commandNames().indexOf("echo"));
  expect(own).toContain("lspci");
  const helps = await statementsOf(place, own.map((name) => `${name} --help\n`).join(""));
  for (const [index, { stdout, stderr, exitCode }] of helps.entries()) {
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toMatch(new RegExp(`^Usage: ${own[index]}( .+)?\n\n[^\n]`));
  }
  // One that was left out of the bundle would not be a function.
  const bundled = bundledCommands().filter((name) => name !== "time");
  const others = await statementsOf(place, bundled.map((name) => `${name} --help\n`).join(""));
  expect(others).toHaveLength(bundled.length);
  for (const { command, stderr } of others) {
    expect({ command, stderr }).toEqual({
      command,
      stderr: expect.not.stringMatching(/not a function|undefined|not found/),
    });
  }
});

test("commands that would need more than is bundled are not there", async () => {
  const names = "curl file html-to-markdown js-exec node python3 sqlite3 tar xan yq".split(" ");
  const statements = await statementsOf(place, names.map((name) => `${name} x\n`).join(""));
  expect(statements.map(({ exitCode, stderr }) => ({ exitCode, stderr }))).toEqual(
    names.map((name) => ({ exitCode: 127, stderr: `bash: ${name}: command not found\n` })),
  );
});

describe("lspci", () => {
  test("shows the function, in as much as is asked for", async () => {
    const line = "0001:01:00.0 Unassigned class [ff00]: Device 0000:c402\n";
    const driver = "\tKernel driver in use: pci-remote-disk\n";
    await expectOutput({
      lspci: line,
      "lspci -D": line,
      "lspci -n": "0001:01:00.0 ff00: 0000:c402\n",
      "lspci -nn": "0001:01:00.0 Unassigned class [ff00]: Device [0000:c402]\n",
      "lspci -k": line + driver,
      "lspci -s 01:00.0": line,
      "lspci -s 0001:01:": line,
      "lspci -s *:*:*.0": line,
      "lspci -s 02:00.0": "",
      "lspci -s .1": "",
      "lspci -v": `${line}\tFlags: bus master, fast devsel, latency 0
\tMemory at 04080000 (32-bit, non-prefetchable) [size=512K]
\tCapabilities: [40] MSI-X: Enable+ Count=32 Masked-
${driver}
`,
      "lspci -x": `${line}00: 00 00 02 c4 06 00 10 00 00 00 00 ff 00 00 00 00
10: 00 00 08 04 00 00 00 00 00 00 00 00 00 00 00 00
20: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
30: 00 00 00 00 40 00 00 00 00 00 00 00 00 00 00 00

`,
      "lspci -xxx | wc -l": "18\n",
      "lspci -xxxx | wc -l": "258\n",
    });
  });

  test("-vv decodes registers and capabilities of any function", async () => {
    const script = `mkdir ${FUNC1}
for x in vendorid:0x1234 deviceid:0x11 revid:3 baseclass_code:1 subclass_code:8 progif_code:2 \\
  cache_line_size:16 subsys_vendor_id:0xabcd subsys_id:0x42 interrupt_pin:1 msi_interrupts:16; do
  echo \${x#*:} > ${FUNC1}/\${x%:*}
done
ln -s ${FUNC1} /sys/kernel/config/pci_ep/controllers/44100000.pcie
echo 1 > /sys/kernel/config/pci_ep/controllers/44100000.pcie/start
lspci -vv`;
    expect((await statementsOf(place, script)).at(-1)?.stdout).toBe(
      `0001:01:00.0 Mass storage controller [0108]: Device 1234:0011 (rev 03) (prog-if 02)
\tSubsystem: Device abcd:0042
\tControl: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx-
\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-
\tLatency: 0, Cache Line Size: 64 bytes
\tInterrupt: pin A routed to IRQ 0
\tRegion 0: Memory at 04080000 (32-bit, non-prefetchable) [size=512K]
\tCapabilities: [40] MSI-X: Enable+ Count=32 Masked-
\t\tVector table: BAR=0 offset=0007fdf8
\t\tPBA: BAR=0 offset=0007fff8
\tCapabilities: [50] MSI: Enable- Count=1/16 Maskable- 64bit+
\t\tAddress: 0000000000000000  Data: 0000

`,
    );
  });

  test("shows nothing while the link is down", async () => {
    expect(await statementsOf(place, "lspci -vv\n")).toMatchObject([{ stdout: "", exitCode: 0 }]);
  });

  test("refuses what it does not know", async () => {
    await expectFailures({
      "lspci -q": "lspci: Unknown option '-q'; see lspci --help",
      "lspci -s 1:2:3:4": /^lspci: -s: invalid slot '1:2:3:4': .* is wanted\n$/,
      "lspci -s": /^lspci: .*; see lspci --help\n$/,
    });
  });
});

describe("lsblk", () => {
  test("shows discs and disks, in the columns that are asked for", async () => {
    await expectOutput({
      lsblk: `NAME        MAJ:MIN RM  SIZE RO TYPE
img         259:0    0   64M  0 disk
ram0        259:1    0    1M  0 disk
pci-rd-img  259:2    0   64M  0 disk
pci-rd-ram0 259:3    0    1M  0 disk
`,
      "lsblk -bdno name,SIZE /dev/pci-rd-img": "pci-rd-img 67108864\n",
      "lsblk -o SIZE /dev/ram0 /dev/img": " SIZE\n   1M\n  64M\n",
      "cd /dev; lsblk -Jo NAME,RO img; cd - > /dev/null":
        '{\n   "blockdevices": [\n      {\n         "name": "img",\n         "ro": false\n      }\n   ]\n}\n',
    });
  });

  test("shows nothing where there is nothing", async () => {
    expect(await statementsOf(place, "lsblk\n")).toMatchObject([{ stdout: "", exitCode: 0 }]);
  });

  test("refuses what is none", async () => {
    await expectFailures({
      "lsblk -o NAME,COLOUR": /^lsblk: unknown column: COLOUR; there are NAME, /,
    });
    await expectFailures({ "lsblk /dev/null": "lsblk: /dev/null: not a block device" }, 32);
  });
});

describe("modules", () => {
  test("are loaded and unloaded, by file or by name", async () => {
    const script = [
      "lsmod",
      "insmod ./drivers/pci-remote-disk.ko",
      "lsmod",
      "rmmod pci_remote_disk",
      "modprobe pci-remote-disk",
      "modprobe pci-remote-disk",
      "modprobe -r pci_remote_disk",
      "modprobe pci-epf-blockpt",
      "lsmod",
    ].join("\n");
    const heading = "Module                  Size  Used by\n";
    const statements = await statementsOf(place, script);
    expect(statements.map(({ exitCode }) => exitCode)).toEqual(statements.map(() => 0));
    const printed = statements.map(({ stdout }) => stdout).filter((stdout) => stdout !== "");
    expect(printed).toEqual([heading, `${heading}pci_remote_disk            0  0\n`, heading]);
  });

  test("tell who uses them, and take their disks with them", async () => {
    await expectOutput({
      "lsmod | tail -n 1": "pci_remote_disk            0  2 pci-rd-img,pci-rd-ram0\n",
      "rmmod pci-remote-disk": "",
      "ls -d /dev/pci-rd-* 2> /dev/null || echo none": "none\n",
    });
  });

  test("that are not there, or not as they would have to be, are refused", async () => {
    await expectFailures({
      insmod: "insmod: a module is wanted",
      "insmod nbd": /^insmod: module nbd not found: there are pci-remote-disk and, built in, /,
      "insmod pci-remote-disk.ko":
        "insmod: could not insert module pci-remote-disk.ko: File exists",
      "rmmod pci-epf-blockpt": "rmmod: Module pci-epf-blockpt is builtin.",
      "rmmod nbd": /^rmmod: module nbd not found/,
    });
    expect(await statementsOf(place, "rmmod pci-remote-disk\n")).toMatchObject([
      { stderr: "rmmod: Module pci-remote-disk is not currently loaded\n", exitCode: 1 },
    ]);
  });
});

describe("mount", () => {
  test("lists what is mounted, and mounts that again", async () => {
    await expectOutput({
      mount:
        "sysfs on /sys type sysfs (rw)\ndevtmpfs on /dev type devtmpfs (rw)\nnone on /sys/kernel/config type configfs (rw)\n",
      "mount -t configfs": "none on /sys/kernel/config type configfs (rw)\n",
      "mount -t configfs none /sys/kernel/config/": "",
      "mount -t sysfs -o rw sysfs /sys": "",
    });
  });

  test("refuses the rest, and says what can be done", async () => {
    await expectFailures(
      {
        "mount /dev/pci-rd-img /mnt":
          /^mount: \/dev\/pci-rd-img: this shell has no kernel to mount it on \/mnt\. .* dd if=/,
        "mount -t ext4 /dev/pci-rd-img /mnt": /no kernel/,
        "mount -t configfs none /mnt":
          "mount: /mnt: configfs is at /sys/kernel/config, and nowhere else here",
        umount: "umount: a directory is wanted",
        "umount /sys": "umount: /sys: target is busy: it is there as long as the shell is",
        "umount /mnt": "umount: /mnt: not mounted; to give a disk back echo 0 to its attach",
      },
      32,
    );
  });
});

test("dmesg has what was logged, with seconds or without", async () => {
  const [all, bare] = await onceAttached(place, "dmesg", "dmesg -t");
  expect(bare?.stdout).toBe(
    [
      "pci-remote-disk 0001:01:00.0: Found /dev/img",
      "pci-remote-disk 0001:01:00.0: Found /dev/ram0",
      "pci-remote-disk 0001:01:00.0: Found 2 devices",
      "pci-remote-disk 0001:01:00.0: img: Setting queue addr. #Descriptors 1024 (28688 Bytes)",
      "pci-remote-disk 0001:01:00.0: /dev/img capacity 0x20000",
      "pci-remote-disk 0001:01:00.0: ram0: Setting queue addr. #Descriptors 1024 (28688 Bytes)",
      "pci-remote-disk 0001:01:00.0: /dev/ram0 capacity 0x800",
      "",
    ].join("\n"),
  );
  expect(all?.stdout.replace(/^\[ *\d+\.\d{6}\] /gm, "")).toBe(bare?.stdout);
});

describe("blockdev and sync", () => {
  test("tell sizes, and flush", async () => {
    await expectOutput({
      "blockdev --getsize64 /dev/pci-rd-img /dev/img": "67108864\n67108864\n",
      "blockdev --getsz /dev/pci-rd-ram0": "2048\n",
      "blockdev --getro /dev/pci-rd-img": "0\n",
      "blockdev --flushbufs /dev/pci-rd-img": "",
      sync: "",
      [`grep flushes ${FUNC1}/img/stats`]: "flushes 2\n",
      [`echo 0 > ${REMOTE}/img/attach; echo 1 > ${FUNC1}/img/read_only; echo 1 > ${REMOTE}/img/attach 2> /dev/null`]:
        "",
      "blockdev --getro /dev/pci-rd-img ": "1\n",
    });
  });

  test("refuse what they cannot do", async () => {
    await expectFailures({
      blockdev: "blockdev: one command and a device are wanted; see blockdev --help",
      "blockdev --getsz": "blockdev: one command and a device are wanted; see blockdev --help",
      "blockdev --getsz --getro /dev/img":
        "blockdev: one command and a device are wanted; see blockdev --help",
      "blockdev --setrw /dev/img": /^blockdev: Unknown option '--setrw'; see blockdev --help/,
      "blockdev --getsz /dev": "blockdev: /dev: not a block device",
      "blockdev --getsz /dev/nope":
        /^blockdev: \/dev\/nope: No such file or directory: in \/dev there are img, /,
    });
  });
});

describe("ln", () => {
  test("links into a directory, to a name, in another's place, and several at once", async () => {
    await mkdir(place.path("links"));
    await expectOutput({
      "cd links; echo x > a; echo y > b; mkdir d": "",
      "ln -s ../a ../b d; ls d; readlink d/a": "a\nb\n../a\n",
      "ln -s a name; readlink name": "a\n",
      "ln -sf b name; readlink name": "b\n",
      "ln a hard; echo z >> a; cat hard": "x\nz\n",
      "ln -s d to; ln -sfn a to; readlink to; ls d": "a\na\nb\n",
      "cd d; ln -s ../d; readlink d; cd ../..": "../d\n",
      "ln -s disk.img /dev/sda; readlink /dev/sda": `${place.path("disk.img")}\n`,
      "ln -s memory:4K /dev/sdb; readlink /dev/sdb": "memory:4K\n",
      "rm /dev/sda; ls /dev/sda 2> /dev/null || echo gone": "gone\n",
    });
  });

  test("says what cannot be linked", async () => {
    await writeFile(place.path("taken"), "");
    await expectFailures({
      ln: "ln: missing file operand; see ln --help",
      "ln -s a b c": "ln: target 'c' is not a directory",
      "ln -s a taken": "ln: failed to create symbolic link 'taken': File exists",
      "ln nope hard": "ln: failed to create hard link 'hard': No such file or directory",
      "ln taken /dev/x": "ln: failed to create hard link '/dev/x': Operation not permitted",
      "ln -s x /sys/class/x":
        "ln: failed to create symbolic link '/sys/class/x': Operation not permitted: no link can be here",
    });
  });
});

describe("just-bash's commands on the tree", () => {
  test("list, read and find what is there", async () => {
    await expectOutput({
      "cat /sys/bus/pci/devices/*/vendor": "0x0000\n",
      [`cat ${FUNC1}/*/attached`]: "1\n1\n",
      "find /sys/kernel/config -name attach | sort": `${REMOTE}/img/attach\n${REMOTE}/ram0/attach\n`,
      [`grep -l 0xc402 ${FUNC1}/*id`]: `${FUNC1}/deviceid\n`,
      "[ -d /sys/class/pci_epc/44100000.pcie ] && [ -f /dev/pci-rd-img ] && [ ! -e /dev/nope ] && echo so":
        "so\n",
      "cd /sys/kernel/config/pci_ep/controllers/44100000.pcie/func1 && pwd -P": `${FUNC1}\n`,
      "cat deviceid && cd /": "0xc402\n",
      "readlink -f /dev/img": `${place.path("disk.img")}\n`,
      "for f in /dev/pci-rd-*; do echo $f; done": "/dev/pci-rd-img\n/dev/pci-rd-ram0\n",
      [`cp ${FUNC1}/deviceid ${place.path("copied")}; cat ${place.path("copied")}`]: "0xc402\n",
      [`echo mine | tee ${FUNC1}/ram0/export_name 2> /dev/null; echo $?`]: "mine\n1\n",
    });
  });

  test("copy files over files, onto a disk and from one", async () => {
    await expectOutput({
      "echo one > f1; echo two > f2; cp f1 f2; cat f2": "one\n",
      "echo three > f3; mv f3 f2; cat f2": "three\n",
      "cp f2 /dev/pci-rd-ram0; cp /dev/pci-rd-ram0 f4; head -n 1 f4; wc -c < f4":
        "three\n1048576\n",
    });
  });

  test("take away what may be taken away", async () => {
    await expectOutput({
      "rmmod pci-remote-disk": "",
      [`rmdir ${FUNC1}/ram0; rm -r ${FUNC1}/img; [ -e ${FUNC1}/img ] || [ -e ${FUNC1}/ram0 ] || echo gone`]:
        "gone\n",
    });
  });

  test("are not the ones that the tree needs others for: rmdir", async () => {
    await mkdir(place.path("a/b/c"), { recursive: true });
    await expectOutput({
      "rmdir -p a/b/c; [ -e a ] || echo gone": "gone\n",
      [`mkdir ${FUNC1}/new; rmdir ${FUNC1}/new; [ -e ${FUNC1}/new ] || echo gone`]: "gone\n",
    });
    await mkdir(place.path("full/of"), { recursive: true });
    await expectFailures({
      rmdir: "rmdir: missing operand; see rmdir --help",
      "rmdir nope": "rmdir: failed to remove 'nope': No such file or directory",
      "rmdir disk.img": "rmdir: failed to remove 'disk.img': Not a directory",
      "rmdir full": "rmdir: failed to remove 'full': Directory not empty",
      [`rmdir ${FUNC1}`]: /^rmdir: failed to remove '.*\/func1': Device or resource busy: /,
      [`rmdir ${FUNC1}/img`]: /^rmdir: failed to remove '.*\/img': Device or resource busy: /,
      "rmdir /sys/class":
        "rmdir: failed to remove '/sys/class': Operation not permitted: it is always there",
    });
  });

  test("are refused what the tree refuses, with its reason", async () => {
    await writeFile(place.path("huge"), "");
    await truncate(place.path("huge"), 1024 ** 3);
    await expectFailures({
      [`mkdir ${FUNC1}`]: `mkdir: cannot create directory '${FUNC1}': File exists`,
      "mkdir /sys/x":
        /^mkdir: cannot create directory '\/sys\/x': Operation not permitted: no directory can be made here/,
      [`rm ${FUNC1}/deviceid`]:
        /^rm: .*deviceid': Operation not permitted: it is there as long as its directory is/,
      "mv /sys/class /tmp/class": /^mv: .*Operation not permitted/,
      [`rm -r ${FUNC1}`]: /^rm: .*Device or resource busy: /,
      "cat /sys/class/nope":
        "cat: /sys/class/nope: No such file or directory: in /sys/class there are pci_epc",
      "head -n 1 /sys/class": "head: /sys/class: Is a directory",
      "wc -c < /dev/nope":
        /^bash: \/dev\/nope: No such file or directory: in \/dev there are img, ram0, /,
      "cat huge": "cat: huge: File too large: only dd, head and hexdump read more than 512 MiB",
    });
  });
});
