// A process that does nothing, for runProgram.

console.log("{}");
