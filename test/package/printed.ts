// What an example says of itself.

/** What it prints: a comment after console.log says it; behind a dash, why. */
export function printedBy(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(
    (match) => (match[1] as string).split(" — ")[0] as string,
  );
}
