"""How the steps of a run follow one another, and what happens to the weights between them."""
