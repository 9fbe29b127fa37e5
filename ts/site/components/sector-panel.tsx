// One sector of the disk: read it, or write a line to it.

import { useState } from "preact/hooks";
import { readSector, writeSector } from "../actions.js";
import { hexLines } from "../model/descriptor-view.js";
import { disc, sector } from "../state.js";
import { Field, NumberField } from "./field.js";
import { Scroll } from "./scroll.js";

const SHOWN_BYTES = 64;

export function SectorPanel() {
  const [number, setNumber] = useState(0);
  const [text, setText] = useState("hello");
  const sectors = disc.value?.sectors ?? 1;
  const isBad = !Number.isInteger(number) || number < 0 || number >= sectors;
  return (
    <div class="sector">
      <div class="fields">
        <NumberField label="Sector" value={number} min={0} max={sectors - 1} onChange={setNumber} />
        <Field label="Text">
          <input type="text" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </Field>
        <div class="buttons">
          <button type="button" disabled={isBad} onClick={() => void readSector(number)}>
            Read
          </button>
          <button
            type="button"
            disabled={isBad || disc.value?.readOnly}
            onClick={() => void writeSector(number, text)}
          >
            Write
          </button>
        </div>
      </div>
      <Dump />
    </div>
  );
}

function Dump() {
  if (sector.value === undefined) return null;
  const { number, bytes } = sector.value;
  const lines = hexLines(bytes.subarray(0, SHOWN_BYTES), number * bytes.length, 8);
  return (
    <Scroll class="dump" label={`Sector ${number}, its first ${SHOWN_BYTES} bytes`}>
      <pre>{lines.join("\n")}</pre>
    </Scroll>
  );
}
