// The elements in the book's pages; loaded by any page that has one.

import "./elements/all.js";
