import hashlib
import json
from typing import Any


def fingerprint(content: Any) -> str:
    """SHA-256 of `content` in canonical JSON (sorted keys, no space, UTF-8), in hexadecimal."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
