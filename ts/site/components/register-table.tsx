// The registers of the BAR by name, as they are now; one that changes is marked for a moment.

import { hex } from "../../view/registers.js";
import { registers } from "../state.js";
import { Scroll } from "./scroll.js";

export function RegisterTable() {
  return (
    <section class="card registers" aria-labelledby="registers-title">
      <h2 id="registers-title">
        Registers <span>of the BAR, as they stand there</span>
      </h2>
      {registers.value.length === 0 ? (
        <p class="hint">There is no bus yet: export a disc.</p>
      ) : (
        <Scroll label="Registers">
          <table>
            <thead>
              <tr>
                <th scope="col">Offset</th>
                <th scope="col">Register</th>
                <th scope="col">Value</th>
                <th scope="col">Meaning</th>
              </tr>
            </thead>
            <tbody>
              {registers.value.map(({ name, offset, value, meaning, changes }) => (
                <tr key={name}>
                  <td>{hex(offset, 3)}</td>
                  <th scope="row">{name}</th>
                  <td>
                    {/* A new key is a new element, whose animation starts anew. */}
                    <span key={changes} class={changes > 0 ? "value is-new" : "value"}>
                      {value}
                    </span>
                  </td>
                  <td>{meaning}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  );
}
