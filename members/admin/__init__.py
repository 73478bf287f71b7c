from members.admin import audit, contract, device, enrolment, letter, member, operator, sms, user

__all__ = [
    "audit",
    "contract",
    "device",
    "enrolment",
    "letter",
    "member",
    "operator",
    "sms",
    "user",
]
