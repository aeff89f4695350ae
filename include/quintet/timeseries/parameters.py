"""Parameters of a request of Prometheus' API: from its address and its form."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.requests import Request

from quintet.timeseries.bodies import read_body
from quintet.timeseries.promql.errors import QuerySyntaxError

__all__ = ["Parameters", "time_of"]

#: Largest form in bytes.
_FORM_BYTES = 1024 * 1024


class Parameters:
    """Names with values, of which one name may have several."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @classmethod
    async def of(cls, request: Request) -> Parameters:
        """Those of a request.

        Raises:
            BodyError: the form is too large.

        """
        pairs = list(request.query_params.multi_items())
        if request.method == "POST":
            form = await read_body(request, _FORM_BYTES)
            pairs += parse_qsl(form.decode("utf-8", "replace"), keep_blank_values=True)
        return cls(pairs)

    def every(self, name: str) -> list[str]:
        """All values of a name."""
        return [value for given, value in self._pairs if given == name]

    def text(self, name: str) -> str:
        """The first value of a name.

        Raises:
            QuerySyntaxError: there is none.

        """
        found = self.every(name)
        if not found:
            raise QuerySyntaxError(f"the parameter {name!r} is missing")
        return found[0]

    def moment(self, name: str, default: int | None = None) -> int:
        """A time in ns.

        Raises:
            QuerySyntaxError: it is missing and there is no default, or it is no time.

        """
        if default is not None and not self.every(name):
            return default
        return time_of(self.text(name))

    def count(self, name: str) -> int:
        """A number from 0 on; 0 where it is missing, which means without a limit.

        Raises:
            QuerySyntaxError: it is no such number.

        """
        text = (self.every(name) or ["0"])[0]
        if not text.isdecimal():
            raise QuerySyntaxError(f"the parameter {name!r} is {text!r}", remedy="Write a whole number from 0 on")
        return int(text)


def time_of(text: str) -> int:
    """Seconds since the epoch or RFC 3339, in ns.

    Raises:
        QuerySyntaxError: it is neither.

    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError as error:
            raise QuerySyntaxError(f"time {text!r}", remedy="Write seconds since the epoch or RFC 3339") from error
    if not math.isfinite(seconds) or abs(seconds) > 9e9:
        raise QuerySyntaxError(f"time {text!r} is beyond the years 1684 to 2255")
    return round(seconds * 1000) * 1_000_000  # to the millisecond, as Prometheus
