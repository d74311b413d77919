"""Documents of other programs (Markdown, HTML, mail, PDF, question sites), and the natural pairs in them."""
