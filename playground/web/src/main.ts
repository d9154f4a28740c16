// The page by itself: its theme, its one element, and the worker that keeps it for later.

import "./playground.js";
import { theme } from "./theme.js";

theme.restore();
if ("serviceWorker" in navigator) {
  // Without it everything works, only not without a network.
  navigator.serviceWorker.register("./service-worker.js").catch(() => undefined);
}
