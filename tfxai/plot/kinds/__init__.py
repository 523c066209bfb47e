"""One file for each kind of picture, and the colours that they share."""
