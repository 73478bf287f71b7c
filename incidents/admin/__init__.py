from incidents.admin import acknowledgement, call, evidence, filing, incident, notice

__all__ = ["acknowledgement", "call", "evidence", "filing", "incident", "notice"]
