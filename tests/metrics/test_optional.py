"""Who uses no exporter needs none of the libraries, and who lacks one is told what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIBRARIES = ("prometheus_client", "opentelemetry", "statsd", "datadog")


def run(script):
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["", ".metrics", ".metrics.statsd"])
def test_a_module_that_needs_no_library_imports_none(module):
    loaded = run(f"import sys, geventconnpool_gov{module}; print(*sys.modules)").split()
    assert not set(LIBRARIES) & set(loaded)


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [("prometheus", "prometheus_client", "prometheus"), ("opentelemetry", "opentelemetry", "otel")],
)
def test_an_exporter_without_its_library_names_the_extra(module, library, extra):
    told = run(
        f"""
import sys
sys.modules["{library}"] = None
try:
    import geventconnpool_gov.metrics.{module}
except ImportError as error:
    print(error)
"""
    )
    assert f"pip install 'geventconnpool-gov[{extra}]'" in told
