// Every element that the book's pages may have.

import "./grid.js";
import "./quiz.js";

// The whole page as an element is larger than all others together, so it comes only where it stands.
if (document.querySelector("coracle-playground")) void import("../playground.js");
