from incidents.models.acknowledgement import Acknowledgement
from incidents.models.attestation import Attestation
from incidents.models.audience import AudienceCount
from incidents.models.call import Call
from incidents.models.claim import Claim
from incidents.models.evidence import Evidence
from incidents.models.filing import Classification, Filing, Reminder, Ruling
from incidents.models.incident import (
    ContractScope,
    DomainScope,
    Incident,
    ServiceStatus,
    Step,
    Target,
)
from incidents.models.notice import NoticeVersion
from incidents.models.reach import Census, Dispatch, Reach
from incidents.models.regime import Regime

__all__ = [
    "Acknowledgement",
    "Attestation",
    "AudienceCount",
    "Call",
    "Census",
    "Claim",
    "Classification",
    "ContractScope",
    "Dispatch",
    "DomainScope",
    "Evidence",
    "Filing",
    "Incident",
    "NoticeVersion",
    "Reach",
    "Regime",
    "Reminder",
    "Ruling",
    "ServiceStatus",
    "Step",
    "Target",
]
