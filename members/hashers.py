from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """Argon2id at OWASP's first recommendation (46 MiB, 1 pass, 1 lane) unless set otherwise.

    Source: OWASP Password Storage Cheat Sheet; the choice is docs/decisions/0013-argon2.md.
    """

    time_cost = settings.ARGON2_TIME
    memory_cost = settings.ARGON2_MEMORY_KIB
    parallelism = settings.ARGON2_PARALLELISM
