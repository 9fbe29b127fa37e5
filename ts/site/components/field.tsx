// A control with its name above it.

import type { ComponentChildren } from "preact";

export interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}

export function Field({ label, hint, isWide = false, children }: FieldProps) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
    <label class={isWide ? "field is-wide" : "field"}>
      <span>{label}</span>
      {children}
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}

export interface NumberFieldProps {
  readonly label: string;
  /** Not a number where none is typed. */
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
  readonly isDisabled?: boolean;
  readonly onChange: (value: number) => void;
}

export function NumberField({
  label,
  unit,
  value,
  min,
  max,
  isDisabled,
  onChange,
}: NumberFieldProps) {
  return (
    <Field label={unit === undefined ? label : `${label}, ${unit}`}>
      <input
        type="number"
        // Of what is no number the text stays as it is typed.
        value={Number.isNaN(value) ? "" : String(value)}
        {...{ min, max }}
        step={1}
        disabled={isDisabled}
        onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
      />
    </Field>
  );
}

export interface ChoiceProps<T> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly text: string }[];
  readonly isDisabled?: boolean;
  readonly onChange: (value: T) => void;
}

/** One of a list. */
export function Choice<T>({ label, value, options, isDisabled, onChange }: ChoiceProps<T>) {
  const index = options.findIndex((option) => option.value === value);
  return (
    <Field label={label}>
      <select
        value={String(index)}
        disabled={isDisabled}
        onChange={(event) => {
          const chosen = options[Number(event.currentTarget.value)];
          if (chosen !== undefined) onChange(chosen.value);
        }}
      >
        {options.map(({ text }, at) => (
          <option key={text} value={String(at)}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}
