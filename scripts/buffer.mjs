// What stands for Node's global Buffer in bundles for browsers, where something in them takes it.

export { Buffer } from "buffer";
