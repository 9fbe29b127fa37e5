// The thread of a load.

import { LoadSide } from "./machine/load-side.js";
import { serve } from "./machine/remote.js";

serve(new LoadSide());
