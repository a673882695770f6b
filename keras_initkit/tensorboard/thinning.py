"""Chooses the records to write if TensorBoard keeps only a few."""


def is_kept(number: int, most: int) -> bool:
    """Tells whether to write the record of this number.

    It keeps all records up to `most`, then every second one up to twice as many, every
    fourth one up to four times as many, and so on. Of n records, it keeps about
    `most * (1 + log2(n / most) / 2)`, spread evenly over the logarithm of time. Their
    distance is never more than 2 / most of the time so far.

    Examples:

    >>> [number for number in range(17) if is_kept(number, 4)]
    [0, 1, 2, 3, 4, 6, 8, 12, 16]

    Args:
        number: the number of the record, the first being 0.
        most: a power of 2, at least 2.
    """
    stride = max(1, 2 * (1 << number.bit_length() - 1) // most) if number else 1
    return number % stride == 0
