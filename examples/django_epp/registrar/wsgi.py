"""Where does gunicorn find the application?"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registrar.settings")

application = get_wsgi_application()
