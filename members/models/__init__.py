from members.models.audit import AuditEvent, AuditLink
from members.models.challenge import Challenge
from members.models.contract import Adhesion, Contract, Employer
from members.models.device import SmsDevice
from members.models.member import AyantDroit, Member
from members.models.operator import CareDomain, Delegation, Holding, Operator
from members.models.session import Session
from members.models.sms import SmsMessage
from members.models.throttle import Throttle
from members.models.user import User

__all__ = [
    "Adhesion",
    "AuditEvent",
    "AuditLink",
    "AyantDroit",
    "CareDomain",
    "Challenge",
    "Contract",
    "Delegation",
    "Employer",
    "Holding",
    "Member",
    "Operator",
    "Session",
    "SmsDevice",
    "SmsMessage",
    "Throttle",
    "User",
]
