"""E-mail addresses: shown masked."""


def masked(address: str) -> str:
    """« j•••@exemple.fr »: the first letter and the domain; the length of the rest shows nowhere."""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
