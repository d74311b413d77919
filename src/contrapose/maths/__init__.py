"""torch only; no state, no input or output."""
