// The whole page: the machine on one side, what is done with it on the other, and below what both say.

import { fail, failure, isUsable } from "../state.js";
import { useFileDrop } from "./file-drop.js";
import { Header } from "./header.js";
import { Lacks } from "./lacks.js";
import { LogPanel } from "./log-panel.js";
import { MachinePanel } from "./machine-panel.js";
import { RegisterTable } from "./register-table.js";
import { WorkPanel } from "./work-panel.js";

export function App() {
  const isOver = useFileDrop(fail);
  return (
    <div class={isOver ? "page is-dropping" : "page"}>
      <Header />
      <main>
        <p class="intro">
          Everything here runs in this browser: an endpoint in one thread, a root complex in
          another, and between them a shared memory that stands for the PCI bus. Export a disc,
          attach it, and start a workload.
        </p>
        <Lacks />
        {isUsable.value && (
          <div class="bench">
            <p class="failure" role="alert">
              {failure.value}
            </p>
            <MachinePanel />
            <div class="right">
              <WorkPanel />
              <div class="pair">
                <RegisterTable />
                <LogPanel />
              </div>
            </div>
          </div>
        )}
      </main>
    </div>
  );
}
