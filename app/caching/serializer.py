"""Bytes go into a backend as they are, and come out as they are."""

from __future__ import annotations

from typing import IO, Any

from cachelib.serializers import BaseSerializer


class ByteSerializer(BaseSerializer):
    """Stands where cachelib would pickle: a pickle that somebody planted in Redis is data here, never loaded."""

    def dumps(self, value: Any, *_: Any) -> bytes:
        if not isinstance(value, bytes):
            raise TypeError(f"the cache holds bytes, not {type(value).__name__}")
        return value

    def loads(self, bvalue: Any) -> Any:
        return bvalue

    def dump(self, value: Any, f: IO[bytes], *_: Any) -> None:
        f.write(self.dumps(value))

    def load(self, f: IO[bytes]) -> Any:
        return f.read()
