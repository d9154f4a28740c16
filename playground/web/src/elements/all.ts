// Every element that the book's pages may have.

import "./widget.js";
