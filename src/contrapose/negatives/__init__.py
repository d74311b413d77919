"""Where extra columns come from."""
