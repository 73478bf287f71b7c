from incidents.admin import acknowledgement, incident, notice

__all__ = ["acknowledgement", "incident", "notice"]
