// Every element that the book's pages may have.

import "./grid.js";
import "./quiz.js";
