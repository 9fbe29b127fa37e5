// What the process's exit code says. Part of the command line's interface.

export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** As shells say it. */
  commandNotStarted: 126,
  commandNotFound: 127,
  /** 128 and the signal's number, as shells count. */
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0    done, and everything was as it should be
  1    failed, or something was not as it should be: a line on stderr says what
  2    the command line cannot be understood
  130  interrupted (SIGINT); disks are detached, threads ended, sockets and temporary files removed
  129, 141, 143  the same for SIGHUP, a closed pipe, and SIGTERM
`;
