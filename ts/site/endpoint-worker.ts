// The endpoint's thread.

import { EndpointSide } from "./machine/endpoint-side.js";
import { serve } from "./machine/remote.js";

serve(new EndpointSide());
