"""The pages behind mailed links; `accounts.emails.PAGES` leads here, below `/account/`."""

from django.urls import path

from authsite.account_pages import EmailPage, ResetPage, UndoPage, VerifyPage

urlpatterns = [
    path("verify", VerifyPage.as_view(), name="account-verify"),
    path("reset", ResetPage.as_view(), name="account-reset"),
    path("email", EmailPage.as_view(), name="account-email"),
    path("email/undo", UndoPage.as_view(), name="account-email-undo"),
]
