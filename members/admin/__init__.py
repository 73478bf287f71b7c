from members.admin import (
    audit,
    contract,
    device,
    enrolment,
    job,
    letter,
    member,
    operator,
    sms,
    user,
)

__all__ = [
    "audit",
    "contract",
    "device",
    "enrolment",
    "job",
    "letter",
    "member",
    "operator",
    "sms",
    "user",
]
