from members.admin import audit, contract, device, member, operator, sms, user

__all__ = ["audit", "contract", "device", "member", "operator", "sms", "user"]
