// What measures, in one piece: `blockpt bench` loads it when something is measured, and so does the repository's
// own benchmark.

export { formatSize } from "../../view/size.js";
export { placesOf } from "../../workload/places.js";
export { median, ratiosOf, summarize } from "../../workload/statistics.js";
export { Cleanup } from "../cleanup.js";
export { describeEnvironment, watchProcessors } from "./conditions.js";
export { discOf } from "./discs.js";
export { HandOverProbe } from "./hand-over.js";
export { jobsOf, nameOf } from "./job.js";
export { DISTURBED, latencyOf, measure, stepsOf } from "./measure.js";
export { refuse } from "./refuse.js";
export { openRig } from "./rig.js";
export { headLines, resultLines } from "./show.js";
