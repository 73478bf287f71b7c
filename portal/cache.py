import json


class JsonSerializer:
    """What Redis keeps is data. Django's default, a pickle, would run whatever somebody wrote there."""

    def dumps(self, value) -> bytes:
        return json.dumps(value).encode()

    def loads(self, value: bytes):
        return json.loads(value)
