// The page: draws the components.

import { render } from "preact";
import { App } from "./components/app.js";

const root = document.querySelector("#page");
if (root === null) throw new Error("the page has no #page");
render(<App />, root);
