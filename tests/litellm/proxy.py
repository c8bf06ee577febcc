"""The real LiteLLM proxy, in an environment of its own that is made once and kept between runs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LOCK = Path(__file__).parent / "requirements.lock"
START_SECONDS = 90.0
MASTER_KEY = "sk-of-the-litellm-proxy"
CONFIG = """
model_list:
  - model_name: "gpt-4o-mini"
    litellm_params: {{model: "openai/gpt-4o-mini", api_base: "{base_url}", api_key: "none"}}
router_settings: {{num_retries: 0}}
litellm_settings: {{num_retries: 0, telemetry: false}}
general_settings: {{master_key: "{master_key}"}}
"""


@contextmanager
def litellm_proxy(folder: Path, port: int, provider_url: str) -> Iterator[str]:
    """Serve a proxy in front of a provider until this is left; gives its base URL."""
    environment = _environment()
    config = folder / "litellm.yaml"
    config.write_text(CONFIG.format(base_url=provider_url, master_key=MASTER_KEY))
    command = [str(environment / "bin" / "litellm"), "--config", str(config)]
    with (
        (folder / "litellm.log").open("wb") as log,
        subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                # Its own list of prices, rather than one fetched from the network.
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/health/liveliness", process, folder)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.2)
    told = (folder / "litellm.log").read_text(encoding="utf-8", errors="replace")
    raise AssertionError(f"The LiteLLM proxy did not start: {told[-2_000:]}")


def _environment() -> Path:
    """Where the proxy is installed; made from the lock if it is not there yet.

    Skips the test where that cannot be done, but fails where everything must be proved.
    """
    name = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = "".join(map(str, sys.version_info[:2]))
    folder = cache / "tallystick-tests" / f"litellm-{name}-{python}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / ".ok").exists():
            try:
                _install(folder)
            except subprocess.CalledProcessError as error:
                shutil.rmtree(folder, ignore_errors=True)
                reason = f"LiteLLM could not be installed: {error.stderr.decode()[-500:]}"
                if os.environ.get("CI") == "true":
                    pytest.fail(reason)
                pytest.skip(reason)
            (folder / ".ok").touch()
    return folder


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    hashed = ["--no-deps", "--require-hashes", "-r", str(LOCK)]
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *hashed)
        return
    _run(sys.executable, "-m", "venv", str(folder))
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "--no-compile", "--only-binary", ":all:", *hashed)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=600)
