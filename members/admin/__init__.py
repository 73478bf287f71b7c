from members.admin import audit, contract, device, letter, member, operator, sms, user

__all__ = ["audit", "contract", "device", "letter", "member", "operator", "sms", "user"]
