"""A PostgreSQL that speaks TLS: a front that ends it, before the server of the tests."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WANTS_TLS = bytes.fromhex("0000000804d2162f")
LISTENS_AT = "127.0.0.1"


@dataclass(slots=True)
class Front:
    """Where it listens, who vouches for it, and how many came without TLS."""

    url: str
    authority: Path
    plain: int = 0

    def asking(self, **parameters: str | Path) -> str:
        """The URL with these parameters."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return urlunsplit(urlsplit(self.url)._replace(query=query))


@asynccontextmanager
async def tls_front(
    database_url: str, folder: Path | None, *, named: str = LISTENS_AT
) -> AsyncIterator[Front]:
    """TLS for a database, with a certificate for the host it names; none without a folder."""
    front = Front(url="", authority=Path())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if folder is not None:
        front.authority, key = certificate_for(folder, named)
        context.load_cert_chain(front.authority, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            first = await reader.readexactly(len(WANTS_TLS))
            if first == WANTS_TLS and folder is None:
                writer.write(b"N")
                first = b""
            elif first == WANTS_TLS:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(context)
                first = b""
            else:
                front.plain += 1
            await _forward(database_url, first, reader, writer)

    server = await asyncio.start_server(serve, LISTENS_AT, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        parts = urlsplit(database_url)
        login = parts.netloc.rpartition("@")[0]
        front.url = urlunsplit(parts._replace(netloc=f"{login}@{LISTENS_AT}:{port}", query=""))
        yield front


async def _forward(
    database_url: str, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    inner_reader, inner_writer = await _connect(database_url)
    inner_writer.write(first)
    pumps = [
        asyncio.create_task(_pump(reader, inner_writer)),
        asyncio.create_task(_pump(inner_reader, writer)),
    ]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        inner_writer.close()
        writer.close()


async def _connect(database_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    if "host" in query:
        port = query.get("port", ["5432"])[0]
        return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{port}")
    return await asyncio.open_connection(parts.hostname, parts.port or 5432)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def certificate_for(folder: Path, named: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a database")])
    today = datetime.fromtimestamp(0, tz=UTC) + timedelta(days=20_000)
    names: list[x509.GeneralName] = (
        [x509.IPAddress(ip_address(named))] if named[0].isdigit() else [x509.DNSName(named)]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + timedelta(days=20_000))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.crt", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
