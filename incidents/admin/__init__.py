from incidents.admin import acknowledgement, attestation, call, evidence, filing, incident, notice

__all__ = ["acknowledgement", "attestation", "call", "evidence", "filing", "incident", "notice"]
