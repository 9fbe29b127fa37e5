// One of a few: radio buttons that look like one switch.

export interface SegmentsProps<T extends string> {
  readonly legend: string;
  readonly isLegendHidden?: boolean;
  readonly name: string;
  readonly options: readonly { readonly value: T; readonly text: string }[];
  readonly value: T;
  readonly isDisabled?: boolean;
  readonly onChange: (value: T) => void;
}

export function Segments<T extends string>(props: SegmentsProps<T>) {
  const { legend, isLegendHidden = false, name, options, value, isDisabled = false } = props;
  return (
    <fieldset class="segments" disabled={isDisabled}>
      <legend class={isLegendHidden ? "unseen" : undefined}>{legend}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => props.onChange(option.value)}
            />
            <span>{option.text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
