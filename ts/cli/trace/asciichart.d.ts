// What is used of the package `asciichart` 1.5.25, which has no declarations.

declare module "asciichart" {
  export function plot(
    series: readonly (readonly number[])[],
    config?: {
      readonly height?: number;
      readonly min?: number;
      readonly max?: number;
      readonly padding?: string;
      readonly colors?: readonly (string | undefined)[];
      readonly format?: (value: number, index: number) => string;
    },
  ): string;
}
