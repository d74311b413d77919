"""One file per paper: equation, defaults, departures."""
