"""What is wrong with a training, and what to type instead: rules, no framework.

The rules read facts: numbers about the first batch, and recorded statistics. They look
at no model and write no file.
"""
