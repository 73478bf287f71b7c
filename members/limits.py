"""Every number of the sign-in, declared once. Each can be set with LIMIT_<NAME> in the environment.

Seconds unless the name says otherwise. Sources: docs/decisions/0005-limits.md.
"""

from django.conf import settings

DEFAULTS = {
    # One-time code (NIST SP 800-63B-4 §3.1.3.2, OWASP ASVS 5.0 §6.5)
    "CODE_DIGITS": 6,
    "CODE_LIFETIME": 300,
    "CODE_ATTEMPTS": 5,
    # Wrong codes across challenges (NIST SP 800-63B-4 §3.2.2)
    "CODE_FAILURES_PER_HOUR": 10,
    "CODE_FAILURES_IN_A_ROW": 100,
    "CODE_FAILURES_UNTOLD": 2,
    "CODE_ALERT_REST": 86_400,
    "TOTP_FAILURES": 10,
    "TOTP_WINDOW": 3600,
    # Texts: minimal waits between two texts of one sign-in, then quotas
    "RESEND_FIRST_WAIT": 30,
    "RESEND_SECOND_WAIT": 60,
    "RESEND_NEXT_WAIT": 120,
    "SENDS_PER_PHONE_HOUR": 5,
    "SENDS_PER_PHONE_DAY": 10,
    "SENDS_PER_ADDRESS": 60,
    "SENDS_PER_ADDRESS_WINDOW": 600,
    "SENDS_GLOBAL_HOUR": 100_000,
    # Wrong passwords: free failures, then waits of 30 s doubling to 15 min
    "PASSWORD_FAILURES_PAIR": 5,
    "PASSWORD_FAILURES_ACCOUNT": 20,
    "PASSWORD_FAILURES_ADDRESS": 100,
    "PASSWORD_FAILURES_KNOWN": 10,
    "PASSWORD_WINDOW": 3600,
    "WAIT_FIRST": 30,
    "WAIT_LONGEST": 900,
    # Password (CNIL 2022-100, ASVS 6.2)
    "PASSWORD_SHORTEST": 12,
    "PASSWORD_LONGEST": 128,
    # Between the password and the code
    "PENDING_LIFETIME": 600,
    # Passkeys and authenticator apps
    "PASSKEY_CHALLENGE_LIFETIME": 300,
    "PASSKEYS_PER_ACCOUNT": 10,
    "PASSKEYS_PER_ADDRESS": 300,
    "PASSKEYS_PER_ADDRESS_WINDOW": 600,
    "APP_SETUP_LIFETIME": 1800,
    "FACTOR_OFFER_REST": 2_592_000,
    # Ways in and back in
    "RESET_LIFETIME": 1800,
    "ACTIVATION_LINK_LIFETIME": 3600,
    "LINKS_PER_ACCOUNT_HOUR": 5,
    "LINKS_PER_ADDRESS": 30,
    "LINKS_PER_ADDRESS_WINDOW": 3600,
    "ACTIVATION_LIFETIME": 1800,
    "ACTIVATION_TRIES_PER_NUMBER": 10,
    "ACTIVATION_TRIES_PER_ADDRESS": 60,
    "ACTIVATION_TRIES_WINDOW": 3600,
    "ACTIVATION_TEXTS_PER_PHONE_DAY": 5,
    "LETTER_LIFETIME": 1_814_400,
    "LETTER_ATTEMPTS": 5,
    "ENROLMENT_LIFETIME": 3600,
    "RECOVERY_CODES": 8,
    "RECOVERY_FAILURES": 10,
    "RECOVERY_WINDOW": 3600,
    "RECOVERY_LIFETIME": 86_400,
    "PHONE_CHANGE_DELAY": 259_200,
    "BANK_CHANGE_DELAY": 259_200,
    "CANCEL_LIFETIME": 604_800,
    "STEP_UP_LIFETIME": 600,
    "KNOWN_BROWSER_LIFETIME": 2_592_000,
    # Codes of attestations, which anybody may check
    "ATTESTATION_TRIES_PER_ADDRESS": 30,
    "ATTESTATION_TRIES_WINDOW": 3600,
    # Demandes of a member, their messages and documents
    "DEMANDES_PER_DAY": 20,
    "DEMANDE_DRAFTS": 10,
    "DEMANDE_MESSAGES_PER_HOUR": 20,
    "DOCUMENTS_PER_HOUR": 60,
    # Sessions (NIST SP 800-63B-4 §2.2.3, ASVS 7)
    "SESSION_IDLE": 900,
    "SESSION_IDLE_STAFF": 1800,
    "SESSION_WARNING": 120,
    "VIEW_AS_LIFETIME": 900,
    "SESSION_ABSOLUTE": 43_200,
    "SESSION_TOUCH": 60,
    # Gate before the password hash, per process
    "GATE_QUEUE": 8,
    "GATE_WAIT_MS": 1_500,
    "GATE_RETRY_AFTER": 5,
}

# What a value may be, lowest and highest. A wait or a quota may be raised at will, as benchmarks do; the
# figures that make a guessed code unlikely may not.
LARGEST = 2**31 - 1  # the counters of members.throttle
ANY, POSITIVE = (0, LARGEST), (1, LARGEST)
RANGES = dict.fromkeys(DEFAULTS, POSITIVE) | {
    "CODE_DIGITS": (6, 10),
    "CODE_LIFETIME": (1, 900),
    "CODE_ATTEMPTS": (1, 10),
    "RESEND_FIRST_WAIT": ANY,
    "RESEND_SECOND_WAIT": ANY,
    "RESEND_NEXT_WAIT": ANY,
    "WAIT_FIRST": ANY,
    "WAIT_LONGEST": ANY,
    "PASSWORD_SHORTEST": (8, 64),  # NIST SP 800-63B-4 §3.1.1.2
    "PASSWORD_LONGEST": (64, 4096),
    "SESSION_TOUCH": ANY,
    "GATE_WAIT_MS": ANY,
    "GATE_RETRY_AFTER": ANY,
}


def limit(name: str) -> int:
    """The value in force of one limit. Raises KeyError on a name that is not declared."""
    return settings.LIMITS[name]
