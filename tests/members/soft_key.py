"""An authenticator in software, for tests: one resident ES256 key, no attestation. (WebAuthn §6)"""

import hashlib
import json

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

ORIGIN, HOST = "http://testserver", "testserver"
PRESENT, VERIFIED, MAY_SYNC, SYNCED, NEW_KEY = 0x01, 0x04, 0x08, 0x10, 0x40


class SoftKey:
    """`counts=False`: a synchronised key, whose counter stays at 0."""

    def __init__(self, *, counts=True):
        self.secret = ec.generate_private_key(ec.SECP256R1())
        self.identity = hashlib.sha256(str(id(self)).encode()).digest()
        self.counts, self.count, self.handle = counts, 0, ""

    @property
    def id(self) -> str:
        return bytes_to_base64url(self.identity)

    @property
    def public_key(self) -> bytes:
        """As COSE writes it: an elliptic curve key (1: 2) for ES256 (3: -7) on P-256 (-1: 1)."""
        point = self.secret.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})

    def makes(self, options: dict, *, origin=ORIGIN, verified=True) -> dict:
        """The answer to navigator.credentials.create(), as JSON values."""
        self.handle = options["user"]["id"]
        attested = bytes(16) + len(self.identity).to_bytes(2) + self.identity + self.public_key
        told = self._told(options["rp"]["id"], verified, NEW_KEY) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": told})
        client = _client("webauthn.create", options["challenge"], origin)
        return self._answer(
            clientDataJSON=client, attestationObject=attestation, transports=["internal", "odd"]
        )

    def opens(self, options: dict, *, origin=ORIGIN, verified=True, host=HOST, count=None) -> dict:
        """The answer to navigator.credentials.get(), as JSON values."""
        self.count = self.count + self.counts if count is None else count
        told = self._told(host, verified)
        client = _client("webauthn.get", options["challenge"], origin)
        signed = told + hashlib.sha256(client).digest()
        signature = self.secret.sign(signed, ec.ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=client,
            authenticatorData=told,
            signature=signature,
            userHandle=base64url_to_bytes(self.handle),
        )

    def _told(self, host: str, verified: bool, more: int = 0) -> bytes:
        flags = PRESENT | more | (VERIFIED if verified else 0)
        flags |= 0 if self.counts else MAY_SYNC | SYNCED
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _answer(self, **response) -> dict:
        written = {
            name: bytes_to_base64url(value) if isinstance(value, bytes) else value
            for name, value in response.items()
        }
        return {"id": self.id, "rawId": self.id, "type": "public-key", "response": written}


def _client(kind: str, challenge: str, origin: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": origin}).encode()
