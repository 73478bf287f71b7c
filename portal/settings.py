"""The portal's settings, from the environment only. Each variable: docs/configuration.md."""

from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from celery.schedules import crontab
from csp.constants import NONE, SELF
from kombu import Exchange, Queue

from members.limits import DEFAULTS
from portal import env

BASE_DIR = Path(__file__).resolve().parent.parent

# DEBUG=1 means « a demonstration or a developer's machine »: invented people, the demo phone, stand-in
# secrets. Django's own DEBUG stays off everywhere: no page ever shows a stack trace, the console does.
DEMO = env.boolean("DEBUG")
DEBUG = False

SECRET_KEY = env.secret("SECRET_KEY", demo="demo-only-secret-key-" + "0" * 40)
OTP_PEPPER = env.secret("OTP_PEPPER", demo="demo-only-pepper-" + "0" * 40)
DEMO_FIELD_KEY = "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5LTA="
FIELD_ENCRYPTION_KEYS = [
    key.strip()
    for key in env.secret("FIELD_ENCRYPTION_KEYS", demo=DEMO_FIELD_KEY).split(",")
    if key.strip()
]

PUBLIC_URL = env.origin("PUBLIC_URL", "http://localhost:8000")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or ""
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS", f"{PUBLIC_HOST},localhost,127.0.0.1,[::1]" if DEMO else PUBLIC_HOST
)
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
HTTPS = PUBLIC_URL.startswith("https://")

INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "portal.apps.PortalAdminConfig",
    "members.apps.MembersConfig",
    "incidents.apps.IncidentsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "members.middleware.ClosedPagesMiddleware",
    "portal.charset.Utf8Middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "members.middleware.AccountMiddleware",
    "members.middleware.DeviceMiddleware",
    "members.middleware.ClosedByDefaultMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
CSRF_FAILURE_VIEW = "portal.errors.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "portal.folding.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

FORM_RENDERER = "portal.widgets.Renderer"

# SQLite is the embedded default: write-ahead log, and transactions that take their lock at once.
DATABASE_URL = env.secret("DATABASE_URL", required=False)
DATABASES = {
    "default": dj_database_url.parse(
        DATABASE_URL or f"sqlite:///{BASE_DIR / 'data' / 'portal.sqlite3'}",
        conn_max_age=600,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.secret("REDIS_URL", required=False)
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {
                "socket_connect_timeout": 0.3,
                "socket_timeout": 0.5,
                "serializer": "portal.cache.JsonSerializer",
            },
            "KEY_PREFIX": "portal",
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# Accounts and sign-in (docs/security.md)
AUTH_USER_MODEL = "members.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "home"
SIGNIN_LANDING = "incidents.banners.landing"  # (request) → address, or "" when nothing waits
MEMBER_LANDING = "/espace/"
STAFF_LANDING = "/admin/"
LIMITS = {name: env.integer(f"LIMIT_{name}", default) for name, default in DEFAULTS.items()}
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
PASSWORD_HASHERS = ["members.hashers.Argon2"]
ARGON2_MEMORY_KIB = env.integer("ARGON2_MEMORY_KIB", 47_104)
ARGON2_TIME = env.integer("ARGON2_TIME", 1)
ARGON2_PARALLELISM = env.integer("ARGON2_PARALLELISM", 1)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "members.passwords.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "members.passwords.PersonalValidator"},
    {"NAME": "members.passwords.GuessableValidator"},
]
LEAKED_PASSWORDS_URL = env.text("LEAKED_PASSWORDS_URL")
if LEAKED_PASSWORDS_URL:
    AUTH_PASSWORD_VALIDATORS.append({"NAME": "members.passwords.LeakedValidator"})
OTP_TOTP_ISSUER = "Mutuelle du Rivage"
OTP_TOTP_THROTTLE_FACTOR = 0  # its waits have no ceiling: members.throttle counts instead

SESSION_ENGINE = "members.sessions"
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
BROWSER_COOKIE_PREFIX = "__Host-browser-" if HTTPS else "browser-"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrftoken"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

SECURE_SSL_REDIRECT = HTTPS and env.boolean("SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^sante/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Texts (docs/operations.md)
SMS_GATEWAYS = {
    "console": "members.sms.console.ConsoleGateway",
    "memory": "members.sms.memory.MemoryGateway",
    "twilio": "members.sms.twilio.TwilioGateway",
}


def _gateway(name: str) -> str:
    return SMS_GATEWAYS.get(name, name)


SMS_GATEWAY = _gateway(env.text("SMS_GATEWAY", "memory" if DEMO else "twilio"))
SMS_FALLBACK_GATEWAY = _gateway(env.text("SMS_FALLBACK_GATEWAY"))
TWILIO_ACCOUNT_SID = env.text("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = env.secret("TWILIO_AUTH_TOKEN", required="twilio" in SMS_GATEWAY)
TWILIO_AUTH_TOKEN_PREVIOUS = env.secret("TWILIO_AUTH_TOKEN_PREVIOUS", required=False)
TWILIO_FROM = env.text("TWILIO_FROM")
TWILIO_VOICE_FROM = env.text("TWILIO_VOICE_FROM")
TWILIO_MESSAGING_SERVICE_SID = env.text("TWILIO_MESSAGING_SERVICE_SID")
TWILIO_BASE_URL = env.text("TWILIO_BASE_URL")

# E-mails (docs/operations.md)
EMAIL_BACKEND = env.text(
    "EMAIL_BACKEND",
    "members.mail.memory.MemoryBackend" if DEMO else "django.core.mail.backends.smtp.EmailBackend",
)
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD", required=False)
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS")
EMAIL_USE_SSL = env.boolean("EMAIL_USE_SSL")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", f"Mutuelle du Rivage <ne-pas-repondre@{PUBLIC_HOST}>")

# Where the trail's head is told each day, outside the database (docs/operations.md)
AUDIT_ANCHOR_DIR = env.text("AUDIT_ANCHOR_DIR")
AUDIT_ANCHOR_EMAIL = env.text("AUDIT_ANCHOR_EMAIL")

# Who is told of the deadlines of an incident (incidents/reminders.py)
INCIDENT_ONCALL = env.words("INCIDENT_ONCALL")

# Whom members write to about their data (members/views/mydata.py)
DPO_CONTACT = env.text("DPO_CONTACT", "dpo@mutuelle-du-rivage.example" if DEMO else "")

# For how long after its closing what its letters told of people is kept (incidents/reach.py)
INCIDENT_DETAILS_YEARS = env.integer("INCIDENT_DETAILS_YEARS", 5)

# What tiers payant cards call us (docs/configuration.md)
AMC_NUMBER = env.text("AMC_NUMBER", "99000001" if DEMO else "")

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/Paris"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = None if DEMO else env.text("STATIC_ROOT", str(BASE_DIR / "data" / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "members.files.PrivateStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEMO
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# Nothing serves this folder (members/files.py)
MEDIA_ROOT = env.text("FILES_ROOT", str(BASE_DIR / "data" / "files"))
CLAMD_ADDRESS = env.text("CLAMD_ADDRESS")  # scans what members hand in (members/documents.py)
FEED_FOLDER = env.text("FEED_FOLDER", str(BASE_DIR / "portal" / "demo" / "feed") if DEMO else "")
# Above so many cents, two agents grant a reimbursement that a member asked for (docs/requests.md)
REQUESTS_TWO_PEOPLE_CENTS = env.integer("REQUESTS_TWO_PEOPLE_CENTS", 50_000)
WHITENOISE_USE_FINDERS = DEMO
WHITENOISE_AUTOREFRESH = False

DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
FILE_UPLOAD_HANDLERS = ["portal.uploads.NoFiles"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"without tokens": {"()": "portal.redaction.WithoutTokens"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["without tokens"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "members": {"level": "INFO"},
        "incidents": {"level": "INFO"},
        "portal": {"level": "INFO"},
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "twilio.http_client": {"level": "WARNING"},
    },
}

# Celery (docs/operations.md). Without REDIS_URL tasks run inside the web process; so they do with the
# memory gateway, because a worker's memory is not the one that the demo phone shows.
CELERY_BROKER_URL = REDIS_URL or "memory://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A page that wakes a worker waits for a refused or hung Redis about a second, not 25.
    "socket_connect_timeout": 0.3,
    "socket_timeout": 0.5,
    # Above any concurrency: with the default of 10, threads lose acknowledgements and send again.
    "max_connections": 200,
    # What a killed worker held is delivered again after 30 s: longer than any task on « codes ».
    "visibility_timeout": 30,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker, however long
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
CELERY_TASK_ALWAYS_EAGER = not REDIS_URL or SMS_GATEWAYS["memory"] == SMS_GATEWAY
CELERY_TASK_EAGER_PROPAGATES = False  # a text that fails never breaks the page that asked for it
CELERY_TASK_IGNORE_RESULT = True  # and no result backend: arguments and results are kept nowhere
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# A queue that names no key takes the default one: each of these texts would then be in both lanes.
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), name) for name in ("codes", "background")]
CELERY_TASK_DEFAULT_QUEUE = "background"
CELERY_TASK_ROUTES = {"members.tasks.send_sms": {"queue": "codes"}}  # notices: « background »
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_WORKER_POOL = "threads"  # they wait for the provider; `--pool processes` forks instead
CELERY_WORKER_CONCURRENCY = env.integer("WORKER_THREADS", 16)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    # `expires`: what could not run before its successor is due is not run at all
    "seal the trail": {
        "task": "members.tasks.seal_audit",
        "schedule": 5,
        "options": {"expires": 5},
    },
    "anchor the trail": {
        "task": "members.tasks.anchor_audit",
        "schedule": crontab(hour=3, minute=37),
        "options": {"expires": 36_000},
    },
    "purge the trail": {
        "task": "members.tasks.purge_audit",
        "schedule": crontab(hour=4, minute=7),
        "options": {"expires": 36_000},
    },
    "count the figures of the first page": {
        "task": "members.tasks.count_figures",
        "schedule": 300,
        "options": {"expires": 300},
    },
    "take up jobs": {
        "task": "members.tasks.sweep_jobs",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "apply phone changes": {
        "task": "portal.tasks.apply_phone_changes",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "apply bank changes": {
        "task": "portal.tasks.apply_bank_changes",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "remind of deadlines": {
        "task": "portal.tasks.remind_of_deadlines",
        "schedule": 300,
        "options": {"expires": 300},
    },
    "publish due versions": {
        "task": "portal.tasks.publish_due_versions",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "purge what has served": {
        "task": "members.tasks.purge_what_served",
        "schedule": crontab(hour=4, minute=27),
        "options": {"expires": 36_000},
    },
    "purge texts": {
        "task": "members.tasks.purge_texts",
        "schedule": crontab(minute=7),
        "options": {"expires": 1800},
    },
    "purge e-mails": {
        "task": "members.tasks.purge_mails",
        "schedule": crontab(minute=12),
        "options": {"expires": 1800},
    },
    "purge sessions": {
        "task": "members.tasks.purge_sessions",
        "schedule": crontab(minute=17),
        "options": {"expires": 1800},
    },
    "settle what was sent": {
        "task": "portal.tasks.settle_what_was_sent",
        "schedule": crontab(minute=2),
        "options": {"expires": 1800},
    },
    "refresh the ledgers of live incidents": {
        "task": "portal.tasks.refresh_ledgers",
        "schedule": crontab(hour=2, minute=47),
        "options": {"expires": 36_000},
    },
    "forget what letters of old incidents told": {
        "task": "portal.tasks.forget_what_letters_told",
        "schedule": crontab(hour=4, minute=37),
        "options": {"expires": 36_000},
    },
    "purge limits": {
        "task": "members.tasks.purge_limits",
        "schedule": crontab(minute=27),
        "options": {"expires": 1800},
    },
}
