// The machine as it stands: the endpoint with its disc, the rings between the two sides, and the root complex.

import { EndpointPanel } from "./endpoint-panel.js";
import { RingsPanel } from "./rings-panel.js";
import { RootComplexPanel } from "./root-complex-panel.js";

export function MachinePanel() {
  return (
    <section class="machine" aria-label="The machine">
      <EndpointPanel />
      <RingsPanel />
      <RootComplexPanel />
    </section>
  );
}
