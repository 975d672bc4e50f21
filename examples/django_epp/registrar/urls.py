"""Which address shows what?"""

from django.urls import path

from . import views

urlpatterns = [
    path("check/<str:name>", views.check),
    path("health", views.health),
    path("metrics", views.metrics),
]
