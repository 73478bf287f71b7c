from django.urls import path

from members.views import account, links, password, security, sessions, signin, sms

urlpatterns = [
    path("connexion/", signin.sign_in, name="signin"),
    path("connexion/code/", signin.code, name="signin_code"),
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
    path("session/prolonger/", sessions.extend, name="session_extend"),
    path("sms/<uuid:message_id>/statut/", sms.receipt, name="sms_receipt"),
]
