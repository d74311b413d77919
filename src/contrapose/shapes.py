"""The letters: what a suffix on a tensor's name means, everywhere in this package.

=====  =================================================================
``B``  rows of the (global) batch
``C``  candidate columns that a row is compared with, its positive among them
``K``  extra columns that belong to one row alone
``N``  extra columns that all rows share; also plainly "number of texts"
``Q``  queries, of a search
``P``  the pool of vectors that negatives are chosen from
``D``  width of an embedding
``L``  layers of the encoder
``T``  tokens of a text
=====  =================================================================

``cosine_BC`` is a table of B rows and C columns; ``anchor_BD`` is one embedding per row.
"""
