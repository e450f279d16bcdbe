"""Every prefix, one table."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from authsite.docs import ErrorsView, RedocView, SchemaView, SwaggerView
from authsite.health import HealthView, LiveView, MetricsView, ReadyView, RootView

handler400 = "security.problems.bad_request"
handler403 = "security.problems.forbidden"
handler404 = "security.problems.not_found"
handler500 = "security.problems.server_error"

about = [
    path("health", HealthView.as_view(), name="health"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("openapi.json", SchemaView.as_view(), name="openapi"),
]
# One list, and first: each prefix that does not match costs a request its try.
api = [
    path("", include("accounts.urls")),
    path("", include("sessions_app.urls")),
    path("", include("security.api_urls")),
    path("", include(about)),
]
urlpatterns = [
    path("api/v1/", include(api)),
    path("", RootView.as_view(), name="root"),
    path("health/live", LiveView.as_view(), name="health-live"),
    path("health/ready", ReadyView.as_view(), name="health-ready"),
    path("docs", SwaggerView.as_view(), name="docs"),
    path("docs/errors", ErrorsView.as_view(), name="errors"),
    path("redoc", RedocView.as_view(), name="redoc"),
    path("favicon.ico", RedirectView.as_view(url="/static/authsite/favicon.svg")),
    path("account/", include("authsite.account_urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index"), name="console"),
    path("admin/", admin.site.urls),
    path("", include("security.urls")),
    path("", include(about)),
]
