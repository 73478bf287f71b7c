from members.models.audit import AuditCheckpoint, AuditEvent, AuditLink
from members.models.bank import BankAccount
from members.models.browser import KnownBrowser
from members.models.card import Card
from members.models.challenge import Challenge
from members.models.contact import EmailChange, PhoneChange
from members.models.contract import Adhesion, Contract, Employer
from members.models.decompte import Decompte, DecompteLine
from members.models.demande import (
    CannedAnswer,
    Demande,
    DemandeDocument,
    DemandeEvent,
    DemandeMessage,
)
from members.models.demande_detail import Care, Correction, Joining, Leaving
from members.models.device import SmsDevice
from members.models.enrolment import StaffEnrolment
from members.models.feed import FeedImport
from members.models.figure import DayFigures
from members.models.job import Job, JobFile
from members.models.link import OneTimeLink
from members.models.mail import Mail
from members.models.member import AyantDroit, Member
from members.models.operator import CareDomain, Delegation, Holding, Operator
from members.models.passkey import Passkey
from members.models.plan import CardDomain, Guarantee, Plan
from members.models.preference import MailRefusal
from members.models.recovery import LetterCode, Recovery, RecoveryCode
from members.models.session import Session
from members.models.sms import SmsMessage
from members.models.throttle import Throttle
from members.models.user import User

__all__ = [
    "Adhesion",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLink",
    "AyantDroit",
    "BankAccount",
    "CannedAnswer",
    "Card",
    "CardDomain",
    "Care",
    "CareDomain",
    "Challenge",
    "Contract",
    "Correction",
    "DayFigures",
    "Decompte",
    "DecompteLine",
    "Delegation",
    "Demande",
    "DemandeDocument",
    "DemandeEvent",
    "DemandeMessage",
    "EmailChange",
    "Employer",
    "FeedImport",
    "Guarantee",
    "Holding",
    "Job",
    "JobFile",
    "Joining",
    "KnownBrowser",
    "Leaving",
    "LetterCode",
    "Mail",
    "MailRefusal",
    "Member",
    "OneTimeLink",
    "Operator",
    "Passkey",
    "PhoneChange",
    "Plan",
    "Recovery",
    "RecoveryCode",
    "Session",
    "SmsDevice",
    "SmsMessage",
    "StaffEnrolment",
    "Throttle",
    "User",
]
