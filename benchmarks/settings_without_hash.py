"""The portal's settings, with the one call that hashes a password left out. For benchmarks only."""

from portal.settings import *  # noqa: F403

PASSWORD_HASHERS = ["benchmarks.free_hasher.Free"]
