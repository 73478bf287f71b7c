from django.urls import include, path

from members.views import (
    account,
    authenticator,
    links,
    passkeys,
    password,
    security,
    sessions,
    signin,
    sms,
    viewing,
)
from members.views.access import member_required, staff_required

urlpatterns = [
    path("connexion/", signin.sign_in, name="signin"),
    path("connexion/code/", signin.code, name="signin_code"),
    path("connexion/cle/", passkeys.enter, name="signin_passkey"),
    path("connexion/cle/options/", passkeys.options, name="signin_passkey_options"),
    path("connexion/code/sms/", signin.text_instead, name="signin_text"),
    path("connexion/code/renvoyer/", signin.resend, name="signin_resend"),
    path("connexion/code/appeler/", signin.call, name="signin_call"),
    path("connexion/code/aide/", signin.no_phone, name="signin_no_phone"),
    path("connexion/reprendre/", signin.reopen, name="signin_reopen"),
    path("deconnexion/", signin.sign_out, name="signout"),
    path("mot-de-passe/oublie/", password.forgotten, name="password_forgotten"),
    path("mot-de-passe/nouveau/<str:token>/", password.reset, name="password_reset"),
    path("alerte/<str:token>/", links.not_me, name="not_me"),
    path("espace/", account.home, name="home"),
    path("espace/donnees/", account.data_map, name="data_map"),
    path("espace/securite/", security.overview, name="security"),
    path("espace/securite/sessions/", sessions.sessions_page, name="security_sessions"),
    path("equipe/quitter-l-espace/", viewing.stop, name="viewing_stop"),
    path("session/prolonger/", sessions.extend, name="session_extend"),
    path(
        "espace/securite/cles/",
        include(passkeys.pages(member_required), namespace="passkeys"),
    ),
    path("espace/securite/plus-tard/", member_required(passkeys.not_now), name="passkeys_not_now"),
    path("espace/securite/application/", authenticator.app, name="app"),
    path("espace/securite/application/code/", authenticator.confirm, name="app_confirm"),
    path("espace/securite/application/retirer/", authenticator.remove, name="app_remove"),
    path(
        "equipe/cles/",
        include(passkeys.pages(staff_required), namespace="staff_passkeys"),
    ),
    path("sms/<uuid:message_id>/statut/", sms.receipt, name="sms_receipt"),
]
