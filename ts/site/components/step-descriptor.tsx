// The descriptor's 24 bytes, and what each field means; and the data that it points to.

import { hex } from "../../view/registers.js";
import type { StepView } from "../machine/stepper.js";
import { fieldsOf, hexByte, hexLines } from "../model/descriptor-view.js";
import { Scroll } from "./scroll.js";

export function StepDescriptor({ view }: { view: StepView }) {
  const { bytes, index, stage, data, dataAddress } = view;
  const isAnswered = stage === "published" || stage === "taken";
  const fields = fieldsOf(bytes, isAnswered);
  return (
    <>
      <h3>Descriptor {index}, 24 bytes</h3>
      <p class="bytes" role="img" aria-label={`The bytes: ${[...bytes].map(hexByte).join(" ")}`}>
        {fields.map((field, at) => (
          <span key={field.name} data-field={at} title={field.name}>
            {field.bytes.map(hexByte).join(" ")}
          </span>
        ))}
      </p>
      <Scroll class="scroll-x" label="The fields">
        <table class="descriptor">
          <thead>
            <tr>
              <th scope="col">Offset</th>
              <th scope="col">Field</th>
              <th scope="col">Bytes</th>
              <th scope="col">Value</th>
              <th scope="col">Meaning</th>
            </tr>
          </thead>
          <tbody>
            {fields.map((field, at) => (
              <tr key={field.name}>
                <td>{hex(field.offset, 2)}</td>
                <th scope="row">
                  <span data-field={at}>{field.name}</span>
                </th>
                <td>{field.bytes.map(hexByte).join(" ")}</td>
                <td>{field.value}</td>
                <td>{field.meaning}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <h3>The data it points to, in host memory</h3>
      <Scroll class="dump" label="The first bytes of the data">
        <pre>{hexLines(data, dataAddress).join("\n")}</pre>
      </Scroll>
    </>
  );
}
