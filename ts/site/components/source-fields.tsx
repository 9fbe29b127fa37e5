// What the disc is made of.

import { formatSize } from "../../view/size.js";
import { SOURCE_KINDS, SOURCE_WORDS, type SourceForm, type SourceKind } from "../model/source.js";
import { environment, sourceForm } from "../state.js";
import { Choice, Field, NumberField } from "./field.js";

function change(changes: Partial<SourceForm>): void {
  sourceForm.value = { ...sourceForm.value, ...changes };
}

export function SourceFields() {
  const { kind } = sourceForm.value;
  const kinds = SOURCE_KINDS.filter((each) => each !== "opfs" || environment.value.hasOpfs);
  const options = kinds.map((value) => ({ value, text: SOURCE_WORDS[value].name }));
  return (
    <>
      <div class="fields">
        <Choice<SourceKind>
          label="Disc"
          value={kind}
          options={options}
          onChange={(chosen) => change({ kind: chosen })}
        />
        <SizeField />
      </div>
      <OwnField />
      <p class="hint">{SOURCE_WORDS[kind].about}</p>
    </>
  );
}

function SizeField() {
  const { kind, sizeMib, file } = sourceForm.value;
  if (kind === "file") {
    return (
      <p class="picked">
        {file === undefined ? "nothing picked" : `${file.name}, ${formatSize(file.size)}`}
      </p>
    );
  }
  if (kind === "http") return null;
  return (
    <NumberField
      label="Size"
      unit="MiB"
      value={sizeMib}
      min={1}
      max={kind === "memory" ? 2048 : 1024 * 1024}
      onChange={(value) => change({ sizeMib: value })}
    />
  );
}

/** The field that only this kind has. */
function OwnField() {
  const { kind, path, url } = sourceForm.value;
  switch (kind) {
    case "file":
      return (
        <Field label="Image file" hint="or drop one anywhere on the page" isWide>
          <input
            type="file"
            onChange={(event) => change({ file: event.currentTarget.files?.[0] })}
          />
        </Field>
      );
    case "opfs":
      return (
        <Field label="Name of the file" isWide>
          <input
            type="text"
            value={path}
            onInput={(event) => change({ path: event.currentTarget.value })}
          />
        </Field>
      );
    case "http":
      return (
        <Field
          label="Address"
          hint="its server has to answer ranges, and allow other origins"
          isWide
        >
          <input
            type="text"
            inputMode="url"
            value={url}
            onInput={(event) => change({ url: event.currentTarget.value })}
          />
        </Field>
      );
    default:
      return null;
  }
}
