// What the hand-over probe and its worker share.

/** Words, on cache lines of their own. */
export const ProbeWord = { ball: 0, state: 16 } as const;
/** What the worker does: sleeps, answers, ends. */
export const ProbeState = { rest: 0, play: 1, end: 2 } as const;
