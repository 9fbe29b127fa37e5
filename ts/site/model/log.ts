// The log: what one would have typed for each act by the user guide, and what both drivers say.

/** `command` is what the guide has one type, `driver` what a driver says, `error` what went wrong. */
export type LogKind = "command" | "driver" | "error" | "note";

export interface LogEntry {
  readonly id: number;
  readonly seconds: number;
  readonly kind: LogKind;
  readonly text: string;
}

export const MOST_ENTRIES = 400;

/** The log with an entry more, and without the oldest where it is long. */
export function withEntry(
  log: readonly LogEntry[],
  kind: LogKind,
  text: string,
  seconds: number,
): LogEntry[] {
  const id = (log.at(-1)?.id ?? 0) + 1;
  return [...log.slice(1 - MOST_ENTRIES), { id, seconds, kind, text }];
}

/** As `dmesg` has times. */
export function formatSeconds(seconds: number): string {
  return `[${seconds.toFixed(6).padStart(12)}]`;
}

const FUNCTION = "functions/pci_epf_blockpt/func1";

/** What the user guide has one type to export a disc. */
export function exportCommands(name: string, readOnly: boolean, queues: number): string[] {
  return [
    "cd /sys/kernel/config/pci_ep",
    `mkdir ${FUNCTION}`,
    `ln -s ${FUNCTION} controllers/44100000.pcie/`,
    `mkdir ${FUNCTION}/${name}`,
    `echo /dev/${name} > ${FUNCTION}/${name}/disc_name`,
    ...(readOnly ? [`echo 1 > ${FUNCTION}/${name}/read_only`] : []),
    ...(queues > 1 ? [`echo ${queues} > ${FUNCTION}/${name}/max_number_of_queues`] : []),
    "echo 1 > controllers/44100000.pcie/start",
  ];
}

export const PROBE_COMMAND = "insmod pci-remote-disk.ko";
export const UNPROBE_COMMAND = "rmmod pci-remote-disk";
export const STOP_COMMAND = "echo 0 > controllers/44100000.pcie/start";

export function attachCommand(name: string): string {
  return `echo 1 > /sys/kernel/config/pci_remote_disk/${name}/attach`;
}

export function detachCommand(name: string): string {
  return `echo 0 > /sys/kernel/config/pci_remote_disk/${name}/attach`;
}

export function faultCommand(name: string, rules: readonly string[]): string {
  return `echo ${rules.join(" ")} > ${FUNCTION}/${name}/fault`.replace("echo  >", "echo >");
}
