"""Rules that say what is wrong with a training, and what to type instead.

The rules read facts: numbers about the first batch, and recorded statistics. They look
at no model and write no file.
"""
