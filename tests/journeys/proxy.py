"""The nginx of docs/deploy.md, as deploy/nginx.conf configures it, before servers of a test."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import httpx2
import websockets
from websockets.typing import Subprotocol

from tests.app.streaming import PROTOCOL, Talk
from tests.node import require
from tests.persistence.tls import certificate_for

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
LISTENS_AT = "127.0.0.1"
PATIENCE_SECONDS = 10.0
AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it listens, and how a client knows it."""

    port: int
    trusting: ssl.SSLContext
    folder: Path

    @property
    def origin(self) -> str:
        return f"https://{LISTENS_AT}:{self.port}"

    def client(self, address: str = LISTENS_AT, token: str | None = None) -> httpx2.AsyncClient:
        """Somebody who calls from an address of this machine."""
        return httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(
                verify=self.trusting, local_address=address, trust_env=False
            ),
            base_url=self.origin,
            headers={} if token is None else {"authorization": f"Bearer {token}"},
            timeout=30,
        )

    @asynccontextmanager
    async def talking(self, origin: str | None = None) -> AsyncIterator[Talk]:
        """A socket through it, opened by a page of an origin."""
        async with websockets.connect(
            f"{self.origin.replace('https', 'wss')}/graphql",
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers={} if origin is None else {"origin": origin},
            ssl=self.trusting,
            proxy=None,
        ) as connection:
            yield Talk(connection)

    def faults(self) -> list[str]:
        """What it has complained of, but how newer ones would rather be told of HTTP/2."""
        lines = (self.folder / "error.log").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if '"listen ... http2" directive is deprecated' not in line]


@contextmanager
def nginx(servers: Sequence[str], folder: Path) -> Iterator[Proxy]:
    """Start nginx before servers at these addresses, with a certificate of its own."""
    # Debian puts it where PATH leads administrators only.
    program = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        require("nginx")
    assert program is not None
    port = _free_port()
    certificate, key = certificate_for(folder, LISTENS_AT)
    (folder / "site.conf").write_text(_site(servers, port, certificate, key), encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
    # Its workers are of a user without rights, who may not enter pytest's folders.
    for part in (folder, *folder.parents):
        if part.name.startswith("pytest-"):
            part.chmod(part.stat().st_mode | 0o011)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with subprocess.Popen(command) as process:
        try:
            _until_listening(process, port)
            yield Proxy(port, ssl.create_default_context(cafile=str(certificate)), folder)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)


def _site(servers: Sequence[str], port: int, certificate: Path, key: Path) -> str:
    """The published file, with ports and paths of the test and nothing else changed."""
    upstreams = "".join(f"    server {each} fail_timeout=2s;\n" for each in servers)
    changes = (
        (r"(    server 127\.0\.0\.1:\d+ fail_timeout=2s;\n)+", upstreams),
        (r"listen 443 ssl http2;", f"listen {LISTENS_AT}:{port} ssl http2;"),
        (r"    listen \[::\]:443 ssl http2;\n", ""),
        (r"listen 80;", f"listen {LISTENS_AT}:{_free_port()};"),
        (r"    listen \[::\]:80;\n", ""),
        (r"(ssl_certificate +)/\S+;", rf"\g<1>{certificate};"),
        (r"(ssl_certificate_key +)/\S+;", rf"\g<1>{key};"),
    )
    site = CONFIGURATION.read_text(encoding="utf-8")
    for pattern, instead in changes:
        site, count = re.subn(pattern, instead, site)
        assert count == 1, pattern
    return site


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LISTENS_AT, 0))
        port: int = listener.getsockname()[1]
        return port


def _until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = monotonic() + PATIENCE_SECONDS
    while monotonic() < until:
        assert process.poll() is None, "nginx ended at once"
        with socket.socket() as client:
            if client.connect_ex((LISTENS_AT, port)) == 0:
                return
        sleep(0.02)
    raise AssertionError("nginx does not listen")
