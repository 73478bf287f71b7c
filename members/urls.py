from django.urls import path

from members.views import account, activation, links, password, security, signin, sms

urlpatterns = [
    path("connexion/", signin.sign_in, name="signin"),
    path("connexion/code/", signin.code, name="signin_code"),
    path("connexion/code/renvoyer/", signin.resend, name="signin_resend"),
    path("connexion/code/aide/", signin.no_phone, name="signin_no_phone"),
    path("deconnexion/", signin.sign_out, name="signout"),
    path("mot-de-passe/oublie/", password.forgotten, name="password_forgotten"),
    path("mot-de-passe/nouveau/<str:token>/", password.reset, name="password_reset"),
    path("activation/", activation.start, name="activation"),
    path("activation/courrier/", activation.letter, name="activation_letter"),
    path("activation/demande/", activation.ask, name="activation_ask"),
    path("activation/code/", activation.asked_code, name="activation_code"),
    path("activation/lien/<str:token>/", activation.link, name="activation_link"),
    path("activation/mot-de-passe/", activation.password, name="activation_password"),
    path("activation/telephone/", activation.phone, name="activation_phone"),
    path("activation/telephone/code/", activation.phone_code, name="activation_phone_code"),
    path("activation/telephone/code/renvoyer/", activation.resend, name="activation_resend"),
    path("alerte/<str:token>/", links.not_me, name="not_me"),
    path("espace/", account.home, name="home"),
    path("espace/donnees/", account.data_map, name="data_map"),
    path("espace/securite/", security.overview, name="security"),
    path("sms/<uuid:message_id>/statut/", sms.receipt, name="sms_receipt"),
]
