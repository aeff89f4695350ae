"""What the clients of the lab's HTTP doors share: connections, and how a service that does not answer is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import httpx

from quintet.errors import ServiceDownError

__all__ = ["NOT_READY", "HttpDoor"]

#: Answers of something in front of a service, or of a service that is starting.
NOT_READY = frozenset({httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})


class HttpDoor:
    """Base of a client; the connections are closed at the end of its block.

    Args:
        url: address of the service, without a trailing slash.
        timeout: seconds for one answer.
        headers: of every request.

    """

    #: What messages call the service, and what they advise when it does not answer.
    service: ClassVar[str]
    remedy: ClassVar[str] = "Run: quintet doctor"
    #: Status of answers that are none.
    not_ready: ClassVar[frozenset[int]] = NOT_READY

    def __init__(self, url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        # The lab's own doors are never reached through a proxy.
        self._client = httpx.Client(base_url=url, timeout=timeout, headers=headers, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Answer of the service, whatever its status. Raises ServiceDownError when the service gave none."""
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._down(str(error) or type(error).__name__) from error
        if answer.status_code in self.not_ready:
            raise self._down(f"status {answer.status_code} {self._said(answer)}".strip())
        return answer

    def _said(self, answer: httpx.Response) -> str:
        """What a service that is not ready says about it, where it says something."""
        return ""

    def _down(self, reason: str) -> ServiceDownError:
        return ServiceDownError(f"{self.service} does not answer at {self._url} ({reason})", remedy=self.remedy)
