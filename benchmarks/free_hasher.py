from members.hashers import Argon2


class Free(Argon2):
    """Says yes at once: what is left of a sign-in is everything besides the hash."""

    def verify(self, password, encoded):
        return True
