// What measures, in one piece: `blockpt bench` loads it when something is measured, and so does the repository's
// own benchmark.

export { Cleanup } from "../cleanup.js";
export { formatSize } from "../listing.js";
export { describeEnvironment, watchProcessors } from "./conditions.js";
export { discOf } from "./discs.js";
export { HandOverProbe } from "./hand-over.js";
export { jobsOf, nameOf } from "./job.js";
export { DISTURBED, latencyOf, measure, stepsOf } from "./measure.js";
export { placesOf } from "./places.js";
export { refuse } from "./refuse.js";
export { openRig } from "./rig.js";
export { headLines, resultLines } from "./show.js";
export { median, ratiosOf, summarize } from "./statistics.js";
