"""How does the archive come from the package index, without its code being run?

By way of pip, so that the configured index, proxies, certificates and credentials hold, and with
the hash required, so that pip refuses any other file. `pip download` asks a source archive for
its metadata, which means running its setup.py in an environment with setuptools. The pin has all
that pip wants to know, so pip is handed a build backend that answers from the pin. Nothing of the
archive is run, and nothing but the archive is downloaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.pin import Pin

_BACKEND = '''\
"""Answers pip's questions about the archive from the pin; the archive's own code stays unrun."""
import pathlib


class Answers:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        folder = pathlib.Path(metadata_directory, "{name}-{version}.dist-info")
        folder.mkdir()
        text = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        folder.joinpath("METADATA").write_text(text)
        return folder.name


__legacy__ = Answers()
'''

# Settings that make sense for the install that is going on around a build, not for this download.
_NOT_OURS = ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_REQUIREMENT", "PIP_NO_DEPS")


def download(pin: Pin) -> bytes:
    """Return the archive's bytes, which pip has compared with the pin's hash.

    Raises:
        UpstreamError: pip is not there, or it could not bring the file; with pip's own words.
    """
    with tempfile.TemporaryDirectory(prefix="geventconnpool-") as name:
        folder = Path(name)
        backend = folder / "answers" / "setuptools"
        backend.mkdir(parents=True)
        backend.joinpath("__init__.py").touch()
        backend.joinpath("build_meta.py").write_text(
            _BACKEND.format(name=pin.name, version=pin.version), "utf-8"
        )
        wanted = folder / "wanted.txt"
        wanted.write_text(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n", "utf-8")
        run = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--no-binary", pin.name, "--use-pep517", "--no-build-isolation"),
                *("--require-hashes", "--requirement", str(wanted), "--dest", str(folder)),
            ],
            env=_environment(backend.parent),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode or not (folder / pin.archive).is_file():
            raise UpstreamError(
                f"{pin.archive} cannot be downloaded: {_reason(run.stderr)}; set "
                f"GEVENTCONNPOOL_SDIST to a copy of it (sha256 {pin.sha256})"
            )
        return (folder / pin.archive).read_bytes()


def _environment(first_on_path: Path) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    paths = [str(first_on_path), environment.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def _reason(stderr: str) -> str:
    """Return pip's error from its messages: from the first line marked as one to the end."""
    lines = [line for line in stderr.splitlines() if not line.startswith("WARNING:")]
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR:")]
    if errors:
        return " ".join(lines[errors[0] :])
    return lines[-1] if lines else "pip said nothing"
