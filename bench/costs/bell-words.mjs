// What the two threads of the raw wake-up share: words, on cache lines of their own.

export const BellWord = /** @type {const} */ ({ question: 0, answer: 16 });
