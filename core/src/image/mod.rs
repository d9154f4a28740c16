//! Images: opening, extending, flattening, and their history.
