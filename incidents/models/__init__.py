from incidents.models.acknowledgement import Acknowledgement
from incidents.models.attestation import Attestation
from incidents.models.audience import AudienceCount
from incidents.models.call import Call
from incidents.models.claim import Claim
from incidents.models.evidence import Evidence
from incidents.models.filing import Classification, Filing, Reminder
from incidents.models.incident import (
    ContractScope,
    DomainScope,
    Incident,
    ServiceStatus,
    Step,
    Target,
)
from incidents.models.notice import NoticeVersion
from incidents.models.regime import Regime

__all__ = [
    "Acknowledgement",
    "Attestation",
    "AudienceCount",
    "Call",
    "Claim",
    "Classification",
    "ContractScope",
    "DomainScope",
    "Evidence",
    "Filing",
    "Incident",
    "NoticeVersion",
    "Regime",
    "Reminder",
    "ServiceStatus",
    "Step",
    "Target",
]
