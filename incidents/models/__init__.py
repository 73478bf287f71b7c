from incidents.models.acknowledgement import Acknowledgement
from incidents.models.claim import Claim
from incidents.models.incident import ContractScope, Incident, ServiceStatus, Step, Target
from incidents.models.notice import NoticeVersion

__all__ = [
    "Acknowledgement",
    "Claim",
    "ContractScope",
    "Incident",
    "NoticeVersion",
    "ServiceStatus",
    "Step",
    "Target",
]
