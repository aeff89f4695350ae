"""Decimal text to float64, compiled: the nearest double, as Python's own `float` gives it.

Three ways, the cheapest first: two exact doubles and one rounding (Clinger's fast path), the product with a 128-bit
power of five (Eisel-Lemire), and for the rare text that neither decides the status `UNDECIDED`: the caller asks
Python. Tested against `float` on random texts and on the halves between doubles.

`quintet.timeseries.linekernel` compiles `parse_decimal` into its own loops: touch that file after a change here.
"""

from __future__ import annotations

import numpy as np

from quintet.timeseries.compiled import kernel

__all__ = ["INTEGER", "INVALID", "OVERFLOW", "REAL", "UNDECIDED", "parse_decimal"]

#: Status of `parse_decimal`: digits only, a number with point or exponent, no number, beyond float64, ask Python.
INTEGER, REAL, INVALID, OVERFLOW, UNDECIDED = range(5)

_MIN_POWER, _MAX_POWER = -342, 308
_MANTISSA_BITS = 52
#: Beyond these bounds a power of ten times a mantissa is 0 or infinite whatever its digits.
_EXPONENT_LIMIT = 100_000


def _powers_of_five() -> tuple[np.ndarray, np.ndarray]:
    """High and low halves of 5^q as 128-bit mantissas, q in [-342, 308]; negative powers rounded up, others down."""
    high, low = [], []
    for power in range(_MIN_POWER, _MAX_POWER + 1):
        if power < 0:
            divisor = 5**-power
            bits = (divisor - 1).bit_length()
            mantissa = (1 << (bits + 127 if power >= -27 else 2 * bits + 128)) // divisor + 1
            mantissa >>= max(0, mantissa.bit_length() - 128)
        else:
            mantissa = 5**power
            shift = 128 - mantissa.bit_length()
            mantissa = mantissa << shift if shift >= 0 else mantissa >> -shift
        high.append(mantissa >> 64)
        low.append(mantissa & (2**64 - 1))
    return np.array(high, np.uint64), np.array(low, np.uint64)


_FIVE_HIGH, _FIVE_LOW = _powers_of_five()
_TENS = np.array([10.0**power for power in range(23)])
_U0, _U1, _U10, _U32, _U63 = np.uint64(0), np.uint64(1), np.uint64(10), np.uint64(32), np.uint64(63)
_U3 = np.uint64(3)
_HALF_MASK = np.uint64(0xFFFFFFFF)
_ALL_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_ROUNDING_MASK = np.uint64(0x1FF)
_IMPLICIT_BIT = np.uint64(1 << _MANTISSA_BITS)
_EXACT_MANTISSA = np.uint64(1 << 53)
_NINETEEN_DIGITS = np.uint64(10**18)


@kernel
def _multiply(left, right):  # type: ignore[no-untyped-def]
    """The 128-bit product of two words as (high, low)."""
    left_low, left_high = left & _HALF_MASK, left >> _U32
    right_low, right_high = right & _HALF_MASK, right >> _U32
    low = left_low * right_low
    middle = left_high * right_low + (low >> _U32)
    other = left_low * right_high + (middle & _HALF_MASK)
    return left_high * right_high + (middle >> _U32) + (other >> _U32), (other << _U32) | (low & _HALF_MASK)


@kernel
def _eisel_lemire(mantissa, power, out):  # type: ignore[no-untyped-def]
    """Bits of mantissa * 10^power into out[0]; status REAL, OVERFLOW or UNDECIDED. Source: Lemire (2021), section 5."""
    if mantissa == _U0 or power < _MIN_POWER:
        out[0] = _U0
        return REAL
    if power > _MAX_POWER:
        return OVERFLOW
    zeros = 0
    while (mantissa >> _U63) == _U0:
        mantissa <<= _U1
        zeros += 1
    index = power - _MIN_POWER
    high, low = _multiply(mantissa, _FIVE_HIGH[index])
    if (high & _ROUNDING_MASK) == _ROUNDING_MASK:
        second, _ = _multiply(mantissa, _FIVE_LOW[index])
        low += second
        if second > low:
            high += _U1
    if low == _ALL_ONES and (power < -27 or power > 55):
        return UNDECIDED
    upper = high >> _U63
    shift = upper + np.uint64(64 - _MANTISSA_BITS - 3)
    digits = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if exponent <= 0:  # subnormal, or nothing at all
        if 1 - exponent >= 64:
            out[0] = _U0
            return REAL
        digits >>= np.uint64(1 - exponent)
        digits += digits & _U1
        out[0] = digits >> _U1
        return REAL
    if low <= _U1 and -4 <= power <= 23 and (digits & _U3) == _U1 and (digits << shift) == high:
        digits &= ~_U1  # exactly half way between two doubles: to even
    digits += digits & _U1
    digits >>= _U1
    if digits >= (_IMPLICIT_BIT << _U1):
        digits = _IMPLICIT_BIT
        exponent += 1
    if exponent >= 0x7FF:
        return OVERFLOW
    out[0] = (digits & ~_IMPLICIT_BIT) | (np.uint64(exponent) << np.uint64(_MANTISSA_BITS))
    return REAL


@kernel
def parse_decimal(text, start, end, bits):  # type: ignore[no-untyped-def]
    """Read the longest number at text[start:end]; its value goes to bits (uint64[2]) as the bits of a float64.

    Returns:
        (status, next position). For INTEGER, bits[1] is 1 when the number is beyond 2^53 and bits[0] was rounded.

    """
    position = start
    negative = False
    if position < end and (text[position] == 45 or text[position] == 43):
        negative = text[position] == 45
        position += 1
    mantissa, power, digits, dropped, seen = _U0, 0, 0, False, 0
    after_point = False
    while position < end:
        byte = text[position]
        if 48 <= byte <= 57:
            seen += 1
            if mantissa < _NINETEEN_DIGITS:
                mantissa = mantissa * _U10 + np.uint64(byte - 48)
                digits += 1
                if after_point:
                    power -= 1
            else:
                dropped = dropped or byte != 48
                if not after_point:
                    power += 1
        elif byte == 46 and not after_point:
            after_point = True
        else:
            break
        position += 1
    if seen == 0:
        return INVALID, position
    status = REAL if after_point else INTEGER
    if position < end and (text[position] == 101 or text[position] == 69):
        status = REAL
        position += 1
        down = False
        if position < end and (text[position] == 45 or text[position] == 43):
            down = text[position] == 45
            position += 1
        if position >= end or text[position] < 48 or text[position] > 57:
            return INVALID, position
        exponent = 0
        while position < end and 48 <= text[position] <= 57:
            if exponent < _EXPONENT_LIMIT:
                exponent = exponent * 10 + np.int64(text[position] - 48)
            position += 1
        power += -exponent if down else exponent
    bits[1] = _U1 if power > 0 or mantissa > _EXACT_MANTISSA else _U0
    if mantissa <= _EXACT_MANTISSA and not dropped and -22 <= power <= 22:
        value = np.float64(mantissa)
        value = value / _TENS[-power] if power < 0 else value * _TENS[power]
        bits[0] = np.float64(value).view(np.uint64)
    else:
        result = _eisel_lemire(mantissa, power, bits)
        if result == OVERFLOW:
            return OVERFLOW, position
        if dropped and result == REAL:  # the dropped digits matter only if the next mantissa gives another double
            first = bits[0]
            result = _eisel_lemire(mantissa + _U1, power, bits)
            if result == REAL and bits[0] != first:
                result = UNDECIDED
        if result != REAL:
            return UNDECIDED, position
    if negative:
        bits[0] |= _U1 << _U63
    return status, position
